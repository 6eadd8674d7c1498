import type { Job } from '../job.ts';
import { allowsAction, allowsResource } from './patterns.ts';

/** What somebody may see of what there is: everything where nothing is said. */
export interface Scope {
  u?: string | undefined;
  h?: string | undefined;
  /** A name, or the beginning of names and a star. */
  r?: string | undefined;
  /** Whether values of variables may be read. */
  values?: boolean;
  /** Patterns of the types of jobs. */
  types?: readonly string[] | undefined;
}

/** Whether a job is among what somebody may see. */
export function seesJob(
  { u, r, h, types }: Scope,
  job: Pick<Job, 'user' | 'resource' | 'host' | 'type'>,
): boolean {
  return (
    (u === undefined || job.user === u) &&
    seesResource({ r }, job.resource) &&
    (h === undefined || job.host === h) &&
    (types === undefined || types.some((pattern) => allowsAction(pattern, job.type)))
  );
}

export function seesResource({ r }: Scope, resource: string): boolean {
  return r === undefined || allowsResource(r, resource);
}
