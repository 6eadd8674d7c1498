import type { Redis } from 'ioredis';
import { kinds } from '../../jobs/fields/resource.ts';
import { abandonJob } from '../records/end-job.ts';
import { readJobOf } from '../records/worker-records.ts';
import { keys } from '../redis/keys.ts';
import { deleteEntry, scanEntries } from './entries.ts';

/** What went with a host. */
export interface Removed {
  /** Names of gears, repositories and environments that may be given to other hosts now. */
  names: number;
  /** Unfinished jobs, which have failed by it. */
  jobs: number;
}

/**
 * Forgets a host that is never to come back: its names are free and its unfinished jobs are over.
 * Can be repeated. A worker that comes back all the same announces itself, and what it holds, as
 * any other.
 */
export async function removeHost(redis: Redis, host: string, keepSeconds: number): Promise<Removed> {
  const removed: Removed = { names: 0, jobs: 0 };
  for (const id of await redis.zrange(keys.open(host), '0', '-1')) {
    const record = await readJobOf(redis, host, id);
    if (record && (await abandonJob(redis, { ...record.job, host }, keepSeconds))) removed.jobs++;
  }
  for (const kind of kinds) {
    for await (const entries of scanEntries(redis, kind)) {
      for (const [name, entry] of entries)
        if (entry.host === host && (await deleteEntry(redis, kind, name, entry, 0))) removed.names++;
    }
  }
  await redis.srem(keys.hosts, host);
  return removed;
}
