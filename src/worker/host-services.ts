import type { Logger } from 'pino';
import type { Kind } from '../jobs/fields/resource.ts';
import type { HostLimits } from '../jobs/limits.ts';
import type { Limiter } from '../lib/async/limiter.ts';
import type { Locks } from '../lib/async/locks.ts';
import type { AddressAllowance } from './domain/addresses.ts';
import type { AddressRange } from './domain/networks.ts';
import type { HostPaths } from './domain/paths.ts';
import type { ContainerEngine } from './engine/engine.ts';
import type { GearIndex } from './gear/gear-index.ts';
import type { Reservations } from './host/ports.ts';
import type { JournalFeed } from './journald/journal-feed.ts';
import type { CloneLimits } from './repository/clone-limits.ts';
import type { Systemd } from './systemd/systemd.ts';

/** Everything needed to work on a host. */
export interface HostServices {
  host: string;
  paths: HostPaths;
  systemd: Systemd;
  engine: ContainerEngine;
  reservations: Reservations;
  gears: GearIndex;
  /** Held during work on a gear's unit: by its own jobs, those of its environment, and repairs. */
  gearLocks: Locks;
  /** Gears with a running job; the runner keeps it up to date. */
  busy: Set<string>;
  directory: Directory;
  /** The address pool of gears' networks. The locks are held while networks are made or removed. */
  networks: { pool: AddressRange; locks: Locks };
  limits: HostLimits;
  /** Delivers the log records of units to their followers. */
  journalFeed: JournalFeed;
  /** Held while an image is pulled. */
  pulls: Limiter;
  /**
   * Held while systemd and the engine start a gear, until its container runs: a start uses more
   * than one processor.
   */
  starts: Limiter;
  repositories: RepositorySettings;
  /** Private registries that images may be pulled from. */
  registries: AddressAllowance;
  /** Seconds a gear has to listen on its ports, unless its spec sets them. */
  startSeconds: number;
  /** Key for the host's hashes of values. */
  hashKey: string;
  log: Logger;
}

/** This host's entries in the fleet's directory. */
export interface Directory {
  /** Names of the resources that the directory lists for this host. */
  held(kind: Kind): Promise<string[]>;
  /** Announces everything on disk. The directory has the announcement when this resolves. */
  announce(): Promise<void>;
}

/** Settings for making repositories. */
export interface RepositorySettings {
  /** The image that contains git; null: one that this host builds. */
  image: string | null;
  allowance: AddressAllowance;
  limits: CloneLimits;
  /**
   * Fetches the source of a job's copy from its host; see jobs/rpc/copy.ts. The body throws when it
   * is incomplete.
   */
  requestCopy(job: string, source: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
}
