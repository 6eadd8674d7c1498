import type { Redis } from 'ioredis';
import { kinds } from '../../jobs/fields/resource.ts';
import { abandonJob } from '../records/end-job.ts';
import { readJobOf } from '../records/worker-records.ts';
import { keys } from '../redis/keys.ts';
import { unlessMalformed } from '../redis/malformed.ts';
import { deleteEntry, scanEntries } from './entries.ts';

/** The effects of removing a host. */
export interface Removed {
  /** Names of gears, repositories and environments now free for other hosts. */
  names: number;
  /** Unfinished jobs that failed with it. */
  jobs: number;
}

/**
 * Forgets a host that will not come back: frees its names and ends its unfinished jobs. Can be
 * repeated. A worker that comes back anyway announces itself and its resources like any other.
 */
export async function removeHost(redis: Redis, host: string, keepSeconds: number): Promise<Removed> {
  const removed: Removed = { names: 0, jobs: 0 };
  const abandon = async (id: string) => {
    const record = await readJobOf(redis, host, id);
    return record !== null && abandonJob(redis, record.job, keepSeconds);
  };
  for (const id of await unlessMalformed(redis.zrange(keys.open(host), '0', '-1'), []))
    if (await unlessMalformed(abandon(id), false)) removed.jobs++;
  for (const kind of kinds) {
    for await (const entries of scanEntries(redis, kind)) {
      for (const [name, entry] of entries)
        if (entry.host === host && (await deleteEntry(redis, kind, name, entry, 0))) removed.names++;
    }
  }
  await redis.srem(keys.hosts, host);
  return removed;
}
