import type { Redis } from 'ioredis';
import type { Job, JobState } from '../jobs/job.ts';
import { keys } from './keys.ts';
import { readJob } from './ledger.ts';

export interface JobFilter {
  state?: JobState | undefined;
  resource?: string | undefined;
  host?: string | undefined;
  user?: string | undefined;
}

/** Jobs, newest first, after a given one, that pass a filter. Ids whose record has expired are swept on the way. */
export async function listJobs(
  redis: Redis,
  filter: JobFilter,
  limit: number,
  after?: string,
): Promise<Job[]> {
  const page = 100;
  const found: Job[] = [];
  const rank = after === undefined ? null : await redis.zrevrank(keys.jobs, after);
  let from = rank === null ? 0 : rank + 1;
  if (after !== undefined && rank === null) return [];
  while (found.length < limit) {
    const ids = await redis.zrevrange(keys.jobs, from, from + page - 1);
    if (ids.length === 0) break;
    const records = await Promise.all(ids.map((id) => readJob(redis, id)));
    const expired = ids.filter((_, i) => records[i] === null);
    if (expired.length > 0) await redis.zrem(keys.jobs, ...expired);
    found.push(...records.flatMap((record) => (record && passes(record.job, filter) ? [record.job] : [])));
    from += ids.length - expired.length;
  }
  return found.slice(0, limit);
}

function passes(job: Job, filter: JobFilter): boolean {
  const { state, resource, host, user } = filter;
  return (
    (state === undefined || job.state === state) &&
    (resource === undefined || job.resource === resource) &&
    (host === undefined || job.host === host) &&
    (user === undefined || job.user === user)
  );
}
