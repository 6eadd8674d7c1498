import type { Redis } from 'ioredis';
import type { Job, JobState } from '../jobs/job.ts';
import type { Scope } from '../requests/order.ts';
import { seesJob } from '../requests/scope.ts';
import { keys } from './keys.ts';
import { readJob } from './ledger.ts';

export interface JobFilter extends Scope {
  state?: JobState | undefined;
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
    found.push(...records.flatMap((record) => (record && takes(filter, record.job) ? [record.job] : [])));
    from += ids.length - expired.length;
  }
  return found.slice(0, limit);
}

function takes({ state, ...scope }: JobFilter, job: Job): boolean {
  return (state === undefined || job.state === state) && seesJob(scope, job);
}
