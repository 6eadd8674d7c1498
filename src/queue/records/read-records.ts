import type { Redis } from 'ioredis';
import type { RedisClock } from '../redis/clock.ts';
import { keys, readBinding } from '../redis/keys.ts';
import { unlessMalformed } from '../redis/malformed.ts';
import { runScript } from '../scripts/run-script.ts';
import { expireJob } from './end-job.ts';
import { type JobPlace, type JobRecord, readHash, readRecord, shownFields } from './job-record.ts';
import { readJobOf } from './worker-records.ts';

/** Reads jobs for clients. */
export interface RecordReader {
  /** A job on any host, or null. */
  job(id: string): Promise<JobRecord | null>;
  /** The job at a place, or null. */
  at(place: JobPlace): Promise<JobRecord | null>;
  /**
   * Jobs without their sealed requests; null for each missing one, and for one that says that it is
   * of another host: a host lists only its own.
   */
  shown(places: JobPlace[]): Promise<(JobRecord | null)[]>;
}

/**
 * A job that no worker took in time has expired, and the first read ends it: its host is offline
 * and cannot. When the host comes back, it finds that it is too late.
 */
export function createRecordReader(redis: Redis, clock: RedisClock, keepSeconds: number): RecordReader {
  async function endLate(record: JobRecord | null): Promise<JobRecord | null> {
    if (record?.job.state !== 'queued') return record;
    const { job, waitsUntil } = record;
    if (waitsUntil === null || clock.now() <= waitsUntil) return record;
    return (await expireJob(redis, job, keepSeconds)) ? readJobOf(redis, job.host, job.id) : record;
  }
  const at = async ({ host, id }: JobPlace) => endLate(await readJobOf(redis, host, id));
  return {
    at,
    async job(id) {
      const bound = await redis.get(keys.id(id));
      return bound === null ? null : at({ host: readBinding(bound).host, id });
    },
    async shown(places) {
      const hosts = [...new Set(places.map(({ host }) => host))];
      const on = (host: string) => places.filter((place) => place.host === host);
      const found = await Promise.all(hosts.map((host) => readShown(redis, host, on(host))));
      const records = new Map(found.flat());
      const shown = async (place: JobPlace) => {
        const record = records.get(place) ?? null;
        return unlessMalformed(endLate(record), record);
      };
      return Promise.all(places.map(shown));
    },
  };
}

/** Jobs of one host, each with its place. */
async function readShown(redis: Redis, host: string, places: JobPlace[]) {
  const scriptKeys = places.flatMap(({ id }) => [keys.job(host, id), keys.run(host, id)]);
  const read = await runScript(redis, 'readJobs', scriptKeys, shownFields);
  return places.map((place, i): [JobPlace, JobRecord | null] => {
    const job: Record<string, string> = {};
    for (const [n, value] of (read[2 * i] ?? []).entries())
      if (value !== null) job[shownFields[n] ?? ''] = value;
    if ((job['host'] ?? host) !== host) return [place, null];
    return [place, readRecord(place, job, readHash((read[2 * i + 1] ?? []) as string[]))];
  });
}
