import type { Redis } from 'ioredis';
import type { RedisClock } from './clock.ts';
import { channels, chargeKeys, keys } from './keys.ts';
import { hostInLedger, readJobOf } from './ledger.ts';
import type { JobRecord } from './record.ts';
import { runScript } from './scripts/run-script.ts';

/** Reads jobs for clients. */
export interface RecordReader {
  /** A job wherever it is, or null. */
  job(id: string): Promise<JobRecord | null>;
  /** A job of a host, or null. */
  jobOf(host: string, id: string): Promise<JobRecord | null>;
}

/**
 * A job that no worker has taken in time is over: whoever reads it first ends it. Its host is away and cannot, and when it
 * is back it finds that it comes too late.
 */
export function createRecordReader(redis: Redis, clock: RedisClock, keepSeconds: number): RecordReader {
  async function jobOf(host: string, id: string): Promise<JobRecord | null> {
    const record = await readJobOf(redis, host, id);
    const { waitsUntil, job } = record ?? { waitsUntil: null, job: null };
    if (job?.state !== 'queued' || waitsUntil === null || clock.now() <= waitsUntil) return record;
    const args = [new Date().toISOString(), keepSeconds, channels.news(host), id];
    const scriptKeys = [keys.job(host, id), keys.run(host, id), ...chargeKeys(host)];
    const over = await runScript(redis, 'expire', scriptKeys, args);
    return over === 1 ? readJobOf(redis, host, id) : record;
  }
  return {
    jobOf,
    async job(id) {
      const bound = await redis.get(keys.id(id));
      return bound === null ? null : jobOf(hostInLedger(bound), id);
    },
  };
}
