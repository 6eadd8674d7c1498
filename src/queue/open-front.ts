import type { Logger } from 'pino';
import type { Job } from '../jobs/job.ts';
import type { Kind } from '../jobs/resource.ts';
import { type OpenStream, type StreamArgs, type StreamName, streams } from '../jobs/streams.ts';
import { type Accepted, accept, cancelJob, type Limits, type Request } from './accept.ts';
import { type Asker, createAsker } from './asks.ts';
import { followClock } from './clock.ts';
import { failFastConnection, patientConnection, readingConnection } from './connection.ts';
import { createDeliveries } from './deliveries.ts';
import { findHolder, type HostEntry, readHolders, readHosts } from './directory.ts';
import { keys } from './keys.ts';
import { type ProgressLine, readJob, readProgress } from './ledger.ts';
import { type JobFilter, listJobs } from './list-jobs.ts';
import type { JobRecord } from './record.ts';
import { openFrames } from './relay.ts';
import { createWaiter } from './waiter.ts';

export { asQueueFailure } from './connection.ts';
export type { HostEntry } from './directory.ts';
export type { ProgressLine } from './ledger.ts';
export type { JobRecord } from './record.ts';

/** Everything an api does with Redis. Every call fails fast with an error that `asQueueFailure` knows. */
export interface Front extends Asker {
  accept(request: Request, host: string): Promise<Accepted>;
  job(id: string): Promise<JobRecord | null>;
  wait(id: string, milliseconds: number, signal?: AbortSignal): Promise<JobRecord | null>;
  /** Resolves when there is something new about a job, after the time, or when the signal aborts. */
  news(id: string, milliseconds: number, signal?: AbortSignal): Promise<void>;
  /** The lines of a job's progress after one of them. */
  progressLines(id: string, after: string): Promise<ProgressLine[]>;
  listJobs(filter: JobFilter, limit: number, after?: string): Promise<Job[]>;
  cancel(record: JobRecord): Promise<'queued' | 'running' | 'final' | 'absent'>;
  hosts(): Promise<HostEntry[]>;
  /** The host that holds a resource, or null. */
  findHolder(kind: Kind, resource: string): Promise<string | null>;
  /** Every resource of a kind with the host that holds it. */
  holders(kind: Kind): Promise<Map<string, string>>;
  /** Has a worker send a stream through Redis. Throws what the worker threw, before the first byte. */
  relay(host: string, wanted: WantedStream, signal: AbortSignal): Promise<OpenStream>;
  /** Resolves when Redis answers. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** What an api wants of a worker. */
export type WantedStream = { [S in StreamName]: { name: S; args: StreamArgs<S> } }[StreamName];

/** Milliseconds a worker may take to open a stream. */
const openDeadline = 15_000;

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
  const quiet = log.child({}, { level: 'silent' }); // One of the connections tells of outages, not all.
  const subscriber = patientConnection(redisUrl, quiet);
  const clock = followClock(redis);
  const deliveries = createDeliveries(redis);
  const waiter = createWaiter(redis, subscriber);
  const asker = createAsker(redis, subscriber);
  const hosts = remembered(() => readHosts(redis), hostsFresh);
  return {
    accept: (request, host) => accept(redis, clock, deliveries, request, host, limits),
    job: (id) => readJob(redis, id),
    wait: waiter.wait,
    news: waiter.news,
    progressLines: (id, after) => readProgress(redis, id, after),
    listJobs: (filter, limit, after) => listJobs(redis, filter, limit, after),
    cancel: (record) => cancelJob(redis, record, keepSeconds),
    hosts,
    findHolder: (kind, resource) => findHolder(redis, kind, resource),
    holders: (kind) => readHolders(redis, kind),
    ask: asker.ask,
    async relay(host, { name, args }, signal) {
      const connect = () => readingConnection(redisUrl, quiet);
      const frames = await openFrames(redis, connect, (id) => keys.frames(host, id), signal);
      try {
        const { head } = await asker.ask(host, 'stream.open', { id: frames.id, name, args }, openDeadline);
        signal.throwIfAborted();
        return { head: streams[name].head.parse(head), body: frames.body };
      } catch (error) {
        await frames.drop();
        throw error;
      }
    },
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
