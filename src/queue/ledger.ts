import type { Redis } from 'ioredis';
import type { Outcome, Progress } from '../jobs/job.ts';
import { channels, keys } from './keys.ts';
import { type JobRecord, outcomeFields, readHash, readRecord } from './record.ts';
import { runScript } from './scripts.ts';

/** What a worker does to the records of its jobs. */
export interface WorkerLedger {
  read(id: string): Promise<JobRecord | null>;
  /** Ids of the host's unfinished jobs in the order of their acceptance. */
  open(): Promise<string[]>;
  begin(record: JobRecord): Promise<Turn>;
  progress(id: string, progress: Progress): Promise<void>;
  /** Back to queued: another attempt is to begin it. */
  handBack(id: string): Promise<void>;
  finish(record: JobRecord, outcome: Outcome, present: boolean | null): Promise<string | null>;
  /** Takes an id out of the queue that has no record, or a finished one. */
  drop(id: string, resource: string): Promise<void>;
}

export type Turn =
  | { turn: 'over' }
  | { turn: 'behind'; first: string }
  | { turn: 'begun'; record: JobRecord };

export function createWorkerLedger(redis: Redis, host: string, keepSeconds: number): WorkerLedger {
  return {
    read: (id) => readJob(redis, id),
    open: () => redis.zrange(keys.open(host), '0', '-1'),

    async begin({ job }) {
      const now = new Date().toISOString();
      const scriptKeys = [keys.job(job.id), keys.line(host, job.resource)];
      const [verdict, more] = (await runScript(redis, 'begin', scriptKeys, [job.id, now])) as [
        string,
        unknown,
      ];
      if (verdict === 'behind') return { turn: 'behind', first: String(more) };
      const record = verdict === 'begun' ? readRecord(readHash(more as string[])) : null;
      return record ? { turn: 'begun', record } : { turn: 'over' };
    },

    async progress(id, progress) {
      await redis.hset(keys.job(id), 'progress', JSON.stringify(progress));
    },

    async handBack(id) {
      await redis.hset(keys.job(id), 'state', 'queued');
    },

    async finish(record, outcome, present) {
      return finishJob(redis, record, outcome, present, keepSeconds);
    },

    async drop(id, resource) {
      await redis.multi().zrem(keys.open(host), id).zrem(keys.line(host, resource), id).exec();
    },
  };
}

/** The record of a job, or null. */
export async function readJob(redis: Redis, id: string): Promise<JobRecord | null> {
  return readRecord(await redis.hgetall(keys.job(id)));
}

/** Ends a job; see the script. Returns the id that is first in its line now. */
export async function finishJob(
  redis: Redis,
  { job }: JobRecord,
  outcome: Outcome,
  present: boolean | null,
  keepSeconds: number,
): Promise<string | null> {
  const scriptKeys = [keys.job(job.id), keys.open(job.host), keys.line(job.host, job.resource), keys.gears];
  const there = present === null ? '' : present ? '1' : '0';
  const fields = outcomeFields(outcome, new Date().toISOString());
  const args = [job.id, job.host, job.resource, there, keepSeconds, channels.finished, ...fields];
  return (await runScript(redis, 'finish', scriptKeys, args)) as string | null;
}
