import type { Change, Origin } from '../../jobs/change.ts';
import type { Job } from '../../jobs/job.ts';
import type { JobLimits } from '../../jobs/limits.ts';
import type { JobRecord } from '../records/job-record.ts';

/** A change that has passed the door, ready to be recorded. */
export interface JobSubmission extends Change {
  /** Whom the job is counted for; see tenantOf. */
  tenant: string;
  origin?: Origin;
  /** The request as it came, sealed for the worker of a host. */
  seal(host: string): string;
}

/** A host that could take a new name. */
export interface Candidate {
  host: string;
  /** MiB that it has for gears. */
  memory: number;
  /** How much speaks against it; another host is taken where less does. */
  avoid: number;
}

/** Where a request may go. */
export interface Placement {
  /** The only host it may go to: the one that was asked for, or the only one there is. */
  only: string | null;
  /** Hosts that may take the name where nobody has it. */
  candidates: Candidate[];
}

/** What became of a request. */
export type Accepted =
  | { verdict: 'accepted'; job: Job }
  /** The id is known: this is what it became. */
  | { verdict: 'known'; record: JobRecord }
  /** The name lives on another host than the only one that the request may go to. */
  | { verdict: 'elsewhere'; host: string }
  | { verdict: 'missing' }
  | { verdict: 'exists' }
  /** There is no host to take the name. */
  | { verdict: 'nowhere' }
  | { verdict: 'full'; limit: keyof JobLimits };
