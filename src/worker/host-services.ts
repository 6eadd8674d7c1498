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
import type { CloneLimits } from './repository/git/git-container.ts';
import type { Systemd } from './systemd/systemd.ts';

/** What one needs to work on a host. */
export interface HostServices {
  host: string;
  paths: HostPaths;
  systemd: Systemd;
  engine: ContainerEngine;
  reservations: Reservations;
  gears: GearIndex;
  /**
   * Held while a gear's unit is being worked on, by its own jobs and by those of its environment.
   */
  gearLocks: Locks;
  /** The gears on which a job runs now. */
  busy: ReadonlySet<string>;
  directory: Directory;
  /** From where gears' networks get their addresses; held while networks are made or removed. */
  networks: { pool: AddressRange; locks: Locks };
  limits: HostLimits;
  /** What units log, for those who follow one. */
  journalFeed: JournalFeed;
  /** Held while an image is pulled. */
  pulls: Limiter;
  /**
   * Held while systemd and the engine start a gear, until its container runs: that takes more than
   * one processor.
   */
  starts: Limiter;
  repositories: RepositorySettings;
  /** Private registries that images may be pulled from. */
  registries: AddressAllowance;
  /** Seconds in which a gear must listen on its ports, where its spec does not say. */
  startSeconds: number;
  /** The key of the host's hashes of values. */
  hashKey: string;
  log: Logger;
}

/** What the fleet knows of this host. */
export interface Directory {
  /** The names that the host is known to hold. */
  held(kind: Kind): Promise<string[]>;
  /** Tells everybody what is on the disk now; what this host has said is known when it resolves. */
  announce(): Promise<void>;
}

/** How repositories are made. */
export interface RepositorySettings {
  /** The image with git in it; null: one that this host builds. */
  image: string | null;
  allowance: AddressAllowance;
  limits: CloneLimits;
  /**
   * Has what a job is to copy brought from its host; see jobs/rpc/copy.ts. The body throws when it
   * does not come whole.
   */
  fetch(job: string, source: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
}
