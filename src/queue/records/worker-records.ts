import type { Redis } from 'ioredis';
import { z } from 'zod';
import { type Job, type Outcome, type Progress, progress } from '../../jobs/job.ts';
import { kindOf } from '../../jobs/registry.ts';
import { effect } from '../../lib/effect.ts';
import { parseJson } from '../../lib/parse-json.ts';
import { channels, chargeKeys, keys, listKeys } from '../redis/keys.ts';
import { runScript } from '../scripts/run-script.ts';
import { type JobRecord, outcomeFields, readHash, readRecord } from './job-record.ts';

/** What a worker does to the records of its jobs. */
export interface WorkerLedger {
  read(id: string): Promise<JobRecord | null>;
  /**
   * Takes a job that has come to its host: from now on it is not too late any more, however long it
   * waits its turn.
   */
  take(id: string): Promise<'taken' | 'expired' | 'over'>;
  /** Ids of the host's unfinished jobs in the order of their acceptance. */
  open(): Promise<string[]>;
  begin(record: JobRecord): Promise<Turn>;
  /** The job that is next in line after the first, or null. */
  next(record: JobRecord): Promise<JobRecord | null>;
  progress(id: string, progress: Progress): Promise<void>;
  /** Counts another try of a job that runs, after a fault that passes. */
  retried(id: string): Promise<void>;
  /** Back to queued: another worker, or this one later, is to begin it again. */
  handBack(id: string): Promise<void>;
  /**
   * `present`: whether the resource is on the host now. Returns the id that is first in its line
   * then.
   */
  finish(record: JobRecord, outcome: Outcome, present: boolean): Promise<string | null>;
  /**
   * Takes an id out of the queue of which there is no record any more: its job was ended, and has
   * expired, while the host was away. It stays in the line of whatever it was about, which is not
   * known: the next job in that line drops it.
   */
  forget(id: string): Promise<void>;
  /** Takes a job out of the queue that is over, or an id out of a line that has no record. */
  drop(job: Pick<Job, 'id' | 'type' | 'resource'>): Promise<void>;
}

export type Turn =
  | { turn: 'over' }
  | { turn: 'behind'; first: string }
  | { turn: 'begun'; record: JobRecord };

/** Lines of progress that are kept of one job; a step reports at most 101 percentages. */
const maxLines = 5_000;

export function createWorkerLedger(redis: Redis, host: string, keepSeconds: number): WorkerLedger {
  return {
    read: (id) => readJobOf(redis, host, id),
    open: () => redis.zrange(keys.open(host), '0', '-1'),

    async take(id) {
      const verdict = await runScript(redis, 'take', [keys.job(host, id), keys.run(host, id)], []);
      return verdict === 'taken' || verdict === 'expired' ? verdict : 'over';
    },

    async begin({ job: { id, type, resource } }) {
      const scriptKeys = [keys.job(host, id), keys.run(host, id), keys.line(host, kindOf(type), resource)];
      const reply = await runScript(redis, 'begin', scriptKeys, [id, new Date().toISOString()]);
      if (reply[0] === 'behind') return { turn: 'behind', first: reply[1] };
      const record = reply[0] === 'begun' ? readRecord(id, readHash(reply[1]), readHash(reply[2])) : null;
      return record ? { turn: 'begun', record } : { turn: 'over' };
    },

    async next({ job: { type, resource } }) {
      const [, id] = await redis.zrange(keys.line(host, kindOf(type), resource), '0', '1');
      return id === undefined ? null : readJobOf(redis, host, id);
    },

    async progress(id, progress) {
      const text = JSON.stringify(progress);
      const line = { time: new Date().toISOString(), ...progress };
      const stream = keys.progress(host, id);
      const steps = redis
        .multi()
        .hset(keys.run(host, id), 'progress', text)
        .xadd(stream, 'MAXLEN', '~', maxLines, '*', 'line', JSON.stringify(line))
        .expire(stream, keepSeconds)
        .publish(channels.news(host), id);
      await effect('redis.progress', () => steps.exec());
    },

    async retried(id) {
      await effect('redis.retried', () => redis.hincrby(keys.run(host, id), 'attempts', 1));
    },

    async handBack(id) {
      await runScript(redis, 'handBack', [keys.run(host, id)], []);
    },

    async finish({ job: { id, type, resource, user } }, outcome, present) {
      const kind = kindOf(type);
      const [open, line] = [keys.open(host), keys.line(host, kind, resource)];
      const mine = [keys.job(host, id), keys.run(host, id), open, line, keys.held(host, kind)];
      const lists = listKeys(host, { user, resource }, outcome.state);
      const scriptKeys = [...mine, ...chargeKeys(host), ...lists];
      const fields = outcomeFields(outcome, new Date().toISOString());
      const told = [channels.news(host), channels.here(host), `free ${kind} ${resource}`];
      const args = [id, resource, present ? 1 : 0, keepSeconds, ...told, ...fields];
      return runScript(redis, 'finish', scriptKeys, args);
    },

    async forget(id) {
      await runScript(redis, 'forgetId', [keys.job(host, id), keys.open(host), ...chargeKeys(host)], [id]);
    },

    async drop({ id, type, resource }) {
      const line = keys.line(host, kindOf(type), resource);
      await runScript(redis, 'drop', [keys.open(host), line, ...chargeKeys(host)], [id]);
    },
  };
}

/** The host in an entry of the ledger: `<host> <ms until when the job may be on its way>`. */
export const hostInLedger = (bound: string) => bound.split(' ', 1)[0] ?? '';

/** The record of a job of a host, or null. */
export async function readJobOf(redis: Redis, host: string, id: string): Promise<JobRecord | null> {
  const [job, run] = await Promise.all([
    redis.hgetall(keys.job(host, id)),
    redis.hgetall(keys.run(host, id)),
  ]);
  return readRecord(id, job, run);
}

const progressLine = progress.extend({ time: z.iso.datetime() });

/** One line of a job's progress; ids grow. */
export type ProgressLine = z.infer<typeof progressLine> & { id: string };

/** The lines of a job's progress after one of them. */
export async function readProgress(
  redis: Redis,
  host: string,
  id: string,
  after: string,
): Promise<ProgressLine[]> {
  const entries = await redis.xrange(keys.progress(host, id), `(${after}`, '+');
  return entries.flatMap(([entry, fields]) => {
    const line = progressLine.safeParse(parseJson(fields[1] ?? ''));
    return line.success ? [{ id: entry, ...line.data }] : [];
  });
}
