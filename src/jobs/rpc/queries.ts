import type { Problem } from '../errors.ts';
import type { GearSpec, PublishedPort } from '../types/container.ts';
import type { EnvironmentVariable } from '../types/environment.ts';
import type { Drift } from './drift.ts';

/** The last update of a gear that did not start; the gear was put back to what it was before. */
export interface FailedUpdate {
  /** The job that failed. */
  job: string;
  at: string;
  error: Problem;
  /** The text of the unit that did not start. */
  unitText: string;
}

/** A variable without its value; the hash tells a changed value from the same one. */
export interface HiddenVariable {
  name: string;
  hash: string;
}

/** A gear as GET container shows it. */
export interface Gear {
  resource: string;
  host: string;
  unit: string;
  /** The text of the unit file that is in force. */
  unitText: string;
  image: string;
  /** The values of variables only for who may read environments. */
  spec: Omit<GearSpec, 'env'> & { env: EnvironmentVariable[] | HiddenVariable[] };
  ports: PublishedPort[];
  /** Whether it runs after a reboot. */
  enabled: boolean;
  systemd: {
    active: string;
    sub: string;
    result: string;
    restarts: number;
    /** When it entered the state, RFC 3339; null when it never ran. */
    since: string | null;
  };
  container: string | null;
  /** The environment it uses; outdated when the process that runs was started before it was changed. */
  environment: { name: string; changedAt: string; outdated: boolean } | null;
  failedUpdate: FailedUpdate | null;
}

/** Gears of a list that a host is asked about at a time. */
export const maxListed = 1_000;

/** A gear in a list: what can be told of many at once. While its host does not answer only its name is known. */
export type GearSummary = Pick<Gear, 'resource' | 'host' | 'unit'> & {
  [K in 'image' | 'ports' | 'enabled']: Gear[K] | null;
} & { systemd: Pick<Gear['systemd'], 'active' | 'sub'> | null };

/**
 * What the api may ask a worker without a job: reads and cancellations. The client's own request says of what,
 * which goes with each query.
 */
export interface Queries {
  'container.read': { args: object; answer: Gear };
  /** Those of the names that are gears of the host. */
  'container.list': { args: { names: string[] }; answer: GearSummary[] };
  'environment.read': { args: object; answer: EnvironmentVariable[] };
  'drift.read': { args: object; answer: Drift };
  /** Has the worker send a stream through Redis; what it fails with is told before the first byte. */
  'stream.open': { args: { id: string; how: object }; answer: { head: unknown } };
  'job.cancel': { args: { id: string }; answer: { aborting: boolean } };
}
export type Query = keyof Queries;
