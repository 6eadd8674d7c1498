import type { Job } from '../jobs/job.ts';
import type { Scope } from './order.ts';
import { allowsAction, allowsResource } from './patterns.ts';

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
