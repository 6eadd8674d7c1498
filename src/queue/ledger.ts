import type { Redis } from 'ioredis';
import { z } from 'zod';
import type { Job, Outcome, Progress } from '../jobs/job.ts';
import { kindOf } from '../jobs/registry.ts';
import { parseJson } from '../lib/parse-json.ts';
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
  drop(job: Pick<Job, 'id' | 'type' | 'resource'>): Promise<void>;
}

export type Turn =
  | { turn: 'over' }
  | { turn: 'behind'; first: string }
  | { turn: 'begun'; record: JobRecord };

/** Lines of progress that are kept of one job; a step reports at most 101 percentages. */
const mostLines = 5_000;

export function createWorkerLedger(redis: Redis, host: string, keepSeconds: number): WorkerLedger {
  return {
    read: (id) => readJob(redis, id),
    open: () => redis.zrange(keys.open(host), '0', '-1'),

    async begin({ job }) {
      const now = new Date().toISOString();
      const scriptKeys = [keys.job(job.id), keys.line(host, kindOf(job.type), job.resource)];
      const [verdict, more] = (await runScript(redis, 'begin', scriptKeys, [job.id, now])) as [
        string,
        unknown,
      ];
      if (verdict === 'behind') return { turn: 'behind', first: String(more) };
      const record = verdict === 'begun' ? readRecord(readHash(more as string[])) : null;
      return record ? { turn: 'begun', record } : { turn: 'over' };
    },

    async progress(id, progress) {
      const text = JSON.stringify(progress);
      const line = { time: new Date().toISOString(), ...progress };
      await redis
        .multi()
        .hset(keys.job(id), 'progress', text)
        .xadd(keys.progress(id), 'MAXLEN', '~', mostLines, '*', 'line', JSON.stringify(line))
        .expire(keys.progress(id), keepSeconds)
        .publish(channels.news, id)
        .exec();
    },

    async handBack(id) {
      await redis.hset(keys.job(id), 'state', 'queued');
    },

    async finish(record, outcome, present) {
      return finishJob(redis, record, outcome, present, keepSeconds);
    },

    async drop({ id, type, resource }) {
      const line = keys.line(host, kindOf(type), resource);
      await redis.multi().zrem(keys.open(host), id).zrem(line, id).exec();
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
  const kind = kindOf(job.type);
  const line = keys.line(job.host, kind, job.resource);
  const scriptKeys = [keys.job(job.id), keys.open(job.host), line, keys.holders(kind)];
  const there = present === null ? '' : present ? '1' : '0';
  const fields = outcomeFields(outcome, new Date().toISOString());
  const args = [job.id, job.host, job.resource, there, keepSeconds, channels.news, ...fields];
  return (await runScript(redis, 'finish', scriptKeys, args)) as string | null;
}

const progressLine = z.object({
  time: z.string(),
  step: z.string(),
  message: z.string(),
  percent: z.number().optional(),
});

/** One line of a job's progress; ids grow. */
export type ProgressLine = z.infer<typeof progressLine> & { id: string };

/** The lines of a job's progress after one of them. */
export async function readProgress(redis: Redis, id: string, after: string): Promise<ProgressLine[]> {
  const entries = await redis.xrange(keys.progress(id), `(${after}`, '+');
  return entries.flatMap(([entry, fields]) => {
    const line = progressLine.safeParse(parseJson(fields[1] ?? ''));
    return line.success ? [{ id: entry, ...line.data }] : [];
  });
}
