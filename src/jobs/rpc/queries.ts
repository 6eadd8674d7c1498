import type { Gear, GearSummary } from '../types/container-reads.ts';
import type { EnvironmentVariable } from '../types/environment.ts';
import type { Drift } from './drift.ts';

/** Gears of a list that a host is asked about at a time. */
export const maxListed = 1_000;

/** What may hold values, sealed as the answer to a request; see requests/envelope.ts. */
export type Sealed<T> = string & { readonly content?: T };

/**
 * What the api may ask a worker without a job: reads and cancellations. The client's own request
 * says of what, which goes with each query.
 */
export interface Queries {
  'container.read': { args: object; answer: Sealed<Gear> };
  /** Those of the names that are gears of the host. */
  'container.list': { args: { names: string[] }; answer: GearSummary[] };
  'environment.read': { args: object; answer: Sealed<EnvironmentVariable[]> };
  'drift.read': { args: object; answer: Drift };
  /**
   * Has the worker send a stream through Redis; what it fails with is told before the first byte.
   */
  'stream.open': { args: { id: string; how: object }; answer: { head: unknown } };
  'job.cancel': { args: { id: string }; answer: { aborting: boolean } };
}
export type Query = keyof Queries;
