import type { Job } from '../../src/jobs/job.ts';
import type { Sent } from '../play/client.ts';

/** A request that was answered, and the job that it became, if it did. */
export interface Request {
  sent: Sent;
  job: Job | null;
}

/** One whose job is over. */
export interface Done {
  sent: Sent;
  job: Job;
  /** Milliseconds since the epoch. */
  ended: number;
}
