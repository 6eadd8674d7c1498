import type { Redis } from 'ioredis';
import type { RedisClock } from './clock.ts';
import { channels, keys, listKeys } from './keys.ts';
import { hostInLedger, readJobOf } from './ledger.ts';
import { type JobRecord, readRecord, shownFields } from './record.ts';
import { runScript } from './scripts/run-script.ts';

/** Reads jobs for clients. */
export interface RecordReader {
  /** A job wherever it is, or null. */
  job(id: string): Promise<JobRecord | null>;
  /** A job of a host without its sealed requests, or null. */
  shown(host: string, id: string): Promise<JobRecord | null>;
}

/**
 * A job that no worker has taken in time is over: whoever reads it first ends it. Its host is away and cannot, and when it
 * is back it finds that it comes too late.
 */
export function createRecordReader(redis: Redis, clock: RedisClock, keepSeconds: number): RecordReader {
  async function ended(host: string, id: string, read: typeof readJobOf): Promise<JobRecord | null> {
    const record = await read(redis, host, id);
    const { waitsUntil, job } = record ?? { waitsUntil: null, job: null };
    if (job?.state !== 'queued' || waitsUntil === null || clock.now() <= waitsUntil) return record;
    const args = [new Date().toISOString(), keepSeconds, channels.news(host), id];
    const scriptKeys = [keys.job(host, id), keys.run(host, id), ...listKeys(host, job, 'failed')];
    const over = await runScript(redis, 'expire', scriptKeys, args);
    return over === 1 ? read(redis, host, id) : record;
  }
  return {
    shown: (host, id) => ended(host, id, readShown),
    async job(id) {
      const bound = await redis.get(keys.id(id));
      return bound === null ? null : ended(hostInLedger(bound), id, readJobOf);
    },
  };
}

async function readShown(redis: Redis, host: string, id: string): Promise<JobRecord | null> {
  const [values, run] = await Promise.all([
    redis.hmget(keys.job(host, id), ...shownFields),
    redis.hgetall(keys.run(host, id)),
  ]);
  const job: Record<string, string> = {};
  for (const [i, field] of shownFields.entries()) if (values[i] != null) job[field] = values[i];
  return readRecord(id, job, run);
}
