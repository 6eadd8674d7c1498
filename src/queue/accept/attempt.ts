import type { Redis } from 'ioredis';
import type { JobLimits } from '../../jobs/limits.ts';
import type { DirectorySync } from '../directory/sync.ts';
import type { Deliveries } from '../records/deliveries.ts';
import type { RedisClock } from '../redis/clock.ts';
import type { HostPredictor } from './host-predictor.ts';
import type { Candidate, JobSubmission, Placement } from './submission.ts';

export interface AcceptParts {
  redis: Redis;
  clock: RedisClock;
  deliveries: Deliveries;
  directorySync: DirectorySync;
  predictor: HostPredictor;
  limits: JobLimits;
  /** Seconds for which a finished job and its id are kept. */
  keepSeconds: number;
  /** Whether one script may touch everything; in a Cluster only what lies in one slot. */
  atOnce: boolean;
}

/** An entry of the directory. */
export interface NameEntry {
  host: string;
  text: string;
}

/** A request on its way to its host. */
export interface Attempt {
  /** Tells it from another one of the same request. */
  id: string;
  parts: AcceptParts;
  submission: JobSubmission;
  placement: Placement;
  /** Hosts that are compared for a new name: some, or all where those lack ports or memory. */
  candidates: Candidate[];
  /** The directory that this counts on; see epoch.ts. */
  epoch: string;
  /** The name's entry is older than any request that could have counted on it. */
  settled: boolean;
  /** What the ledger says of the id, where that is void. */
  instead: string;
  /** The directory's entry, where this request has made it. */
  made: NameEntry | null;
}
