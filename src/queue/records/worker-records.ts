import type { Redis } from 'ioredis';
import { z } from 'zod';
import type { LineKind } from '../../jobs/fields/resource.ts';
import { type Job, type Outcome, type Progress, progress } from '../../jobs/job.ts';
import { kindOf } from '../../jobs/registry.ts';
import { effect } from '../../lib/effect.ts';
import { parseJson } from '../../lib/parse-json.ts';
import { channels, chargeKeys, keys, listKeys } from '../redis/keys.ts';
import { runScript } from '../scripts/run-script.ts';
import { type JobRecord, outcomeFields, readHash, readRecord } from './job-record.ts';

/** A worker's operations on the records of its jobs. */
export interface WorkerRecords {
  read(id: string): Promise<JobRecord | null>;
  /** The sealed cancel request of a job; null if there is none. Cheap enough to poll. */
  readCancel(id: string): Promise<string | null>;
  /**
   * Takes a job that has arrived at its host: from then on it cannot expire, however long it waits
   * its turn.
   */
  take(id: string): Promise<'taken' | 'expired' | 'over'>;
  /** Ids of the host's unfinished jobs in the order of their acceptance. */
  open(): Promise<string[]>;
  begin(record: JobRecord): Promise<Turn>;
  /** The job in line after the first, or null. */
  next(record: JobRecord): Promise<JobRecord | null>;
  progress(id: string, progress: Progress): Promise<void>;
  /** Counts another attempt of a running job, after a temporary fault. */
  retried(id: string): Promise<void>;
  /** Returns a running job to the queue, for another worker or this one to begin again later. */
  handBack(id: string): Promise<void>;
  /**
   * `present`: whether the resource is on the host now. Returns the id that is then first in its
   * line.
   */
  finish(record: JobRecord, outcome: Outcome, present: boolean): Promise<string | null>;
  /**
   * Removes an id without a record from the queue: its job ended, and its record expired, while the
   * host was offline. The id stays in the line of its resource, which is unknown; the next job in
   * that line drops it.
   */
  forget(id: string): Promise<void>;
  /**
   * Removes an ended job from the queue and its line, or an id without a record. What the worker
   * has written about the job then expires with it.
   */
  drop(job: Pick<Job, 'id' | 'type' | 'resource'>): Promise<void>;
}

export type Turn =
  | { turn: 'over' }
  | { turn: 'behind'; first: string }
  | { turn: 'begun'; record: JobRecord };

/**
 * Seconds to keep the hash `run` of a job that its worker neither ends nor drops: an api cancelled
 * the job, or removed the host, while the worker was away. As long as jobs may be kept: what a host
 * that comes back had begun must still show.
 */
const unfinishedSeconds = 3_650 * 86_400;

/** Progress lines to keep for one job; a step reports at most some hundred. */
const maxLines = 5_000;

export function createWorkerRecords(redis: Redis, host: string, keepSeconds: number): WorkerRecords {
  /** The keys of a job, and of its places on the host. */
  const placeKeys = (id: string, kind: LineKind, resource: string) => [
    keys.job(host, id),
    keys.run(host, id),
    keys.open(host),
    keys.line(host, kind, resource),
    keys.held(host, kind),
  ];
  /** What the host says when a name is free; see channels.here. */
  const freeMessage = (kind: LineKind, resource: string) => [channels.here(host), `free ${kind} ${resource}`];
  return {
    read: (id) => readJobOf(redis, host, id),
    readCancel: (id) => redis.hget(keys.job(host, id), 'cancel'),
    open: () => redis.zrange(keys.open(host), '0', '-1'),

    take: (id) => runScript(redis, 'take', [keys.job(host, id), keys.run(host, id)], [unfinishedSeconds]),

    async begin({ job: { id, type, resource } }) {
      const scriptKeys = [keys.job(host, id), keys.run(host, id), keys.line(host, kindOf(type), resource)];
      const reply = await runScript(redis, 'begin', scriptKeys, [
        id,
        new Date().toISOString(),
        unfinishedSeconds,
      ]);
      if (reply[0] === 'behind') return { turn: 'behind', first: reply[1] };
      const record =
        reply[0] === 'begun' ? readRecord({ host, id }, readHash(reply[1]), readHash(reply[2])) : null;
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
      const lists = listKeys(host, { user, resource }, outcome.state);
      const scriptKeys = [...placeKeys(id, kind, resource), ...chargeKeys(host), ...lists];
      const fields = outcomeFields(outcome, new Date().toISOString());
      const told = [channels.news(host), ...freeMessage(kind, resource)];
      const args = [id, resource, present ? 1 : 0, keepSeconds, ...told, ...fields];
      return runScript(redis, 'finish', scriptKeys, args);
    },

    async forget(id) {
      const mine = [keys.job(host, id), keys.run(host, id), keys.open(host)];
      await runScript(redis, 'forgetId', [...mine, ...chargeKeys(host)], [id]);
    },

    async drop({ id, type, resource }) {
      const kind = kindOf(type);
      const scriptKeys = [...placeKeys(id, kind, resource), ...chargeKeys(host)];
      await runScript(redis, 'drop', scriptKeys, [id, resource, ...freeMessage(kind, resource)]);
    },
  };
}

/** The record of a job of a host, or null. */
export async function readJobOf(redis: Redis, host: string, id: string): Promise<JobRecord | null> {
  const [job, run] = await Promise.all([
    redis.hgetall(keys.job(host, id)),
    redis.hgetall(keys.run(host, id)),
  ]);
  return readRecord({ host, id }, job, run);
}

const progressLine = progress.extend({ time: z.iso.datetime() });

/** One line of a job's progress; ids ascend. */
export type ProgressLine = z.infer<typeof progressLine> & { id: string };

/** Lines of a job's progress after the line `after`. */
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
