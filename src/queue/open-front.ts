import type { Logger } from 'pino';
import type { Job } from '../jobs/job.ts';
import { type Accepted, accept, cancelJob, type Limits, type Request } from './accept.ts';
import { type Asker, createAsker } from './asks.ts';
import { followClock } from './clock.ts';
import { failFastConnection, patientConnection } from './connection.ts';
import { createDeliveries } from './deliveries.ts';
import { findGear, type HostEntry, readGears, readHosts } from './directory.ts';
import { readJob } from './ledger.ts';
import { type JobFilter, listJobs } from './list-jobs.ts';
import type { JobRecord } from './record.ts';
import { createWaiter } from './waiter.ts';

export { asQueueFailure } from './connection.ts';
export type { HostEntry } from './directory.ts';
export type { JobRecord } from './record.ts';

/** Everything an api does with Redis. Every call fails fast with an error that `asQueueFailure` knows. */
export interface Front extends Asker {
  accept(request: Request, host: string): Promise<Accepted>;
  job(id: string): Promise<JobRecord | null>;
  wait(id: string, milliseconds: number, signal?: AbortSignal): Promise<JobRecord | null>;
  listJobs(filter: JobFilter, limit: number, after?: string): Promise<Job[]>;
  cancel(record: JobRecord): Promise<'queued' | 'running' | 'final' | 'absent'>;
  hosts(): Promise<HostEntry[]>;
  findGear(resource: string): Promise<string | null>;
  gears(): Promise<Map<string, string>>;
  /** Resolves when Redis answers. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

export interface FrontOptions {
  redisUrl: string;
  limits: Limits;
  /** Seconds for which a finished job and its id are kept. */
  keepSeconds: number;
  log: Logger;
}

/** Milliseconds for which the list of hosts is good enough. */
const hostsFresh = 500;

export function openFront({ redisUrl, limits, keepSeconds, log }: FrontOptions): Front {
  const redis = failFastConnection(redisUrl, log);
  const subscriber = patientConnection(redisUrl, log.child({}, { level: 'silent' }));
  const clock = followClock(redis);
  const deliveries = createDeliveries(redis);
  const waiter = createWaiter(redis, subscriber);
  const asker = createAsker(redis, subscriber);
  const hosts = remembered(() => readHosts(redis), hostsFresh);
  return {
    accept: (request, host) => accept(redis, clock, deliveries, request, host, limits),
    job: (id) => readJob(redis, id),
    wait: waiter.wait,
    listJobs: (filter, limit, after) => listJobs(redis, filter, limit, after),
    cancel: (record) => cancelJob(redis, record, keepSeconds),
    hosts,
    findGear: (resource) => findGear(redis, resource),
    gears: () => readGears(redis),
    ask: asker.ask,
    async ping() {
      await redis.ping();
    },
    async close() {
      await deliveries.close();
      subscriber.disconnect();
      redis.disconnect();
    },
  };
}

/** A read whose answer is shared by everybody who asks within so many milliseconds. Failures are not remembered. */
function remembered<T>(read: () => Promise<T>, milliseconds: number): () => Promise<T> {
  let last: { at: number; answer: Promise<T> } | null = null;
  return () => {
    if (last && Date.now() - last.at < milliseconds) return last.answer;
    const fresh = { at: Date.now(), answer: read() };
    last = fresh;
    fresh.answer.catch(() => {
      if (last === fresh) last = null;
    });
    return fresh.answer;
  };
}
