import type { Redis } from 'ioredis';
import { kinds } from '../../jobs/fields/resource.ts';
import { readJobOf } from '../records/worker-records.ts';
import { channels, chargeKeys, keys, listKeys } from '../redis/keys.ts';
import { runScript } from '../scripts/run-script.ts';
import { deleteEntry, scanEntries } from './entries.ts';

/** What went with a host. */
export interface Removed {
  /** Names of gears, repositories and environments that may be given to other hosts now. */
  names: number;
  /** Unfinished jobs, which have failed by it. */
  jobs: number;
}

/**
 * Forgets a host that is never to come back: its names are free and its unfinished jobs are over. Can be repeated. A worker
 * that comes back all the same announces itself, and what it holds, as any other.
 */
export async function removeHost(redis: Redis, host: string, keepSeconds: number): Promise<Removed> {
  const removed: Removed = { names: 0, jobs: 0 };
  const now = new Date().toISOString();
  for (const id of await redis.zrange(keys.open(host), '0', '-1')) {
    const record = await readJobOf(redis, host, id);
    if (!record) continue;
    const args = [now, keepSeconds, channels.news(host), id];
    const mine = [keys.job(host, id), keys.run(host, id), ...chargeKeys(host)];
    const scriptKeys = [...mine, ...listKeys(host, record.job, 'failed')];
    const over = await runScript(redis, 'abandon', scriptKeys, args);
    if (over === 1) removed.jobs++;
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
