import type { Change, Origin } from '../../jobs/change.ts';
import type { Job } from '../../jobs/job.ts';
import type { JobLimits } from '../../jobs/limits.ts';
import type { JobRecord } from '../records/job-record.ts';

/** An authorized change, ready to be recorded. */
export interface JobSubmission extends Change {
  /** The tenant whose limits the job counts against; see tenantOf. */
  tenant: string;
  origin?: Origin;
  /** Seals the original request for the worker of a host. */
  seal(host: string): string;
}

/** A host that could take a new name. */
export interface Candidate {
  host: string;
  /** MiB that it has for gears. */
  memory: number;
  /** Penalty for lack of ports or memory: the directory prefers hosts with a lower one. */
  avoid: number;
}

/** MiB that a host gives a gear whose spec names none (limit gearMemory). */
export interface GearMemory {
  /** On most hosts. */
  usual: number;
  /** On the hosts that differ. */
  others: ReadonlyMap<string, number>;
}

/** Where a request may go. */
export interface Placement {
  /** The only host allowed: the requested one, or the only one in the fleet. */
  only: string | null;
  /** Hosts that may take the name if no host has it. */
  candidates: Candidate[];
  gearMemory: GearMemory;
  /** Offline hosts: their workers find the jobs among their open jobs when they come back. */
  gone: readonly string[];
}

/** The outcome of a request. */
export type Accepted =
  | { verdict: 'accepted'; job: Job }
  /** The id is known; `record` is its job. */
  | { verdict: 'known'; record: JobRecord }
  /** The name is on another host than the only one allowed. */
  | { verdict: 'elsewhere'; host: string }
  | { verdict: 'missing' }
  | { verdict: 'exists' }
  /** No host can take the name. */
  | { verdict: 'nowhere' }
  | { verdict: 'full'; limit: keyof JobLimits };
