import type { Job } from '../job.ts';
import { kindOf } from '../registry.ts';
import { allowsAction, allowsResource } from './patterns.ts';

/** The part of all data that a client may see: an absent `u`, `h`, `r` or `types` is no limit. */
export interface Scope {
  u?: string | undefined;
  h?: string | undefined;
  /** A name, or a prefix and a star. */
  r?: string | undefined;
  /** Whether values of variables may be read. */
  values?: boolean;
  /** Patterns of job types. */
  types?: readonly string[] | undefined;
}

/** Whether a scope includes a job. A name (`r`) is none of a host, even if a host is called so. */
export function seesJob(
  { u, r, h, types }: Scope,
  job: Pick<Job, 'user' | 'resource' | 'host' | 'type'>,
): boolean {
  return (
    (u === undefined || job.user === u) &&
    (r === undefined || (kindOf(job.type) !== 'host' && allowsResource(r, job.resource))) &&
    (h === undefined || job.host === h) &&
    (types === undefined || types.some((pattern) => allowsAction(pattern, job.type)))
  );
}
