import type { Redis } from 'ioredis';
import type { JobLimits } from '../../jobs/limits.ts';
import type { DirectorySync } from '../directory/sync.ts';
import type { Deliveries } from '../records/deliveries.ts';
import type { RecordReader } from '../records/read-records.ts';
import type { RedisClock } from '../redis/clock.ts';
import type { HostPredictor } from './host-predictor.ts';
import type { Candidate, JobSubmission, Placement } from './submission.ts';

export interface AcceptParts {
  redis: Redis;
  clock: RedisClock;
  deliveries: Deliveries;
  records: Pick<RecordReader, 'at' | 'shown'>;
  directorySync: DirectorySync;
  predictor: HostPredictor;
  limits: JobLimits;
  /** Seconds to keep a finished job and its id. */
  keepSeconds: number;
  /** Whether one script may touch all keys; in a Cluster only those of one slot. */
  atOnce: boolean;
}

/** A request on its way to its host. */
export interface Attempt {
  /** Distinguishes it from other attempts for the same request. */
  id: string;
  parts: AcceptParts;
  submission: JobSubmission;
  placement: Placement;
  /** Hosts to compare for a new name: some, or all if those lack ports or memory. */
  candidates: Candidate[];
  /** The epoch of the directory that this attempt relies on; see epoch.ts. */
  epoch: string;
  /**
   * The text of the directory's entry, if the name's entry was older than any request that could
   * rely on it when it was claimed.
   */
  settled: string | null;
  /** The ledger's entry for the id, if that is void. */
  voidBinding: string;
  /** The text of the directory's entry, if this request made it. */
  made: string | null;
  /** Whether jobs that waited too long have been looked for, because the host was full. */
  hasLooked: boolean;
}
