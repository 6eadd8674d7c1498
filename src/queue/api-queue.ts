import type { Logger } from 'pino';
import type { Scope } from '../jobs/access/scope.ts';
import type { Kind } from '../jobs/fields/resource.ts';
import type { JobLimits } from '../jobs/limits.ts';
import { type OpenStream, parseHead, type StreamName } from '../jobs/rpc/streams.ts';
import { accept } from './accept/accept.ts';
import type { AcceptParts } from './accept/attempt.ts';
import { createHostPredictor } from './accept/host-predictor.ts';
import type { Accepted, JobSubmission, Placement } from './accept/submission.ts';
import { findHolder, listNames, type NamePage } from './directory/entries.ts';
import { createHostsReader, type HostEntry, heldAmong, readHost } from './directory/hosts.ts';
import { type Removed, removeHost } from './directory/remove-host.ts';
import { openDirectorySync } from './directory/sync.ts';
import { createDeliveries } from './records/deliveries.ts';
import { cancelJob } from './records/end-job.ts';
import type { JobRecord } from './records/job-record.ts';
import { createWaiter } from './records/job-waiter.ts';
import { type JobFilter, type JobPage, listJobs } from './records/list-jobs.ts';
import { createRecordReader } from './records/read-records.ts';
import { type ProgressLine, readProgress } from './records/worker-records.ts';
import { followClock } from './redis/clock.ts';
import {
  failFastConnection,
  patientConnection,
  type RedisAccess,
  readingConnection,
  sendingConnection,
} from './redis/connection.ts';
import { channels, keys } from './redis/keys.ts';
import { watchFitness } from './redis/preflight.ts';
import { guarded } from './redis/queue-failure.ts';
import { type CopyRequest, onCopyRequest, sendTo } from './rpc/copy-requests.ts';
import { createRpcClient, type RpcClient } from './rpc/rpc.ts';
import { type FrameReader, openFrames } from './rpc/stream-relay.ts';

export { roomOf } from './accept/script-arguments.ts';
export type { Accepted, Candidate, JobSubmission, Placement } from './accept/submission.ts';
export type { NamePage } from './directory/entries.ts';
export type { HostEntry } from './directory/hosts.ts';
export type { JobRecord } from './records/job-record.ts';
export type { ProgressLine } from './records/worker-records.ts';
export type { RedisAccess } from './redis/connection.ts';
export type { CopyRequest } from './rpc/copy-requests.ts';

/**
 * Everything an api does with Redis. A call that Redis does not answer fails fast with
 * `queue_unavailable`.
 */
export interface ApiQueue extends RpcClient {
  accept(submission: JobSubmission, placement: Placement): Promise<Accepted>;
  job(id: string): Promise<JobRecord | null>;
  wait(id: string, milliseconds: number, signal?: AbortSignal): Promise<JobRecord | null>;
  /**
   * Resolves when there is something new about a job, after the time, or when the signal aborts.
   */
  news(id: string, milliseconds: number, signal?: AbortSignal): Promise<void>;
  /** The lines of a job's progress after one of them. */
  progressLines(host: string, id: string, after: string): Promise<ProgressLine[]>;
  /** See list-jobs.ts; rejects with the signal's reason when it aborts. */
  listJobs(filter: JobFilter, limit: number, after?: string, signal?: AbortSignal): Promise<JobPage>;
  /** `sealed`: the request to cancel, for the worker. */
  cancel(record: JobRecord, sealed: string): Promise<'queued' | 'running' | 'final' | 'absent'>;
  hosts(): Promise<HostEntry[]>;
  /** One host, or null where there is none of that name. */
  host(name: string): Promise<HostEntry | null>;
  /** Forgets a host that is never to come back. */
  removeHost(name: string): Promise<Removed>;
  /** See directory/entries.ts. */
  listNames(kind: Kind, scope: Scope, limit: number, after?: string): Promise<NamePage>;
  /** The host that holds a resource, or null. */
  findHolder(kind: Kind, resource: string): Promise<string | null>;
  /** Those of some names that a host holds, as it was last announced. */
  held(host: string, kind: Kind, names: string[]): Promise<string[]>;
  /**
   * Has a worker send a stream through Redis. Throws what the worker threw, before the first byte.
   */
  relay(host: string, wanted: WantedStream, signal: AbortSignal): Promise<OpenStream>;
  /**
   * Calls the listener when a worker asks for what one of its jobs is to copy; see
   * rpc/copy-requests.ts.
   */
  onFetch(listener: (fetch: CopyRequest) => void): void;
  /**
   * Sends what was asked for; false where another api does. `open` is called when it is ours to
   * send.
   */
  bring(
    fetch: CopyRequest,
    open: (signal: AbortSignal) => AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<boolean>;
  /** Resolves when Redis answers. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

/**
 * A stream that an api wants of a worker: what of is in the client's request, `how` says the rest
 * of its arguments.
 */
export interface WantedStream {
  name: StreamName;
  sealed: string;
  how: object;
}

/** Milliseconds a worker may take to open a stream. */
const openDeadline = 15_000;

export interface ApiQueueOptions {
  redis: RedisAccess;
  limits: JobLimits;
  /** Seconds for which a finished job and its id are kept. */
  keepSeconds: number;
  /** Hosts that are to be heard of before a new Redis is relied upon. */
  expected: readonly string[];
  log: Logger;
}

/** Milliseconds for which the list of hosts is good enough. */
const hostsFresh = 500;

export function openApiQueue(options: ApiQueueOptions): ApiQueue {
  const { redis: access, limits, keepSeconds, expected, log } = options;
  const redis = failFastConnection(access, log);
  const quiet = log.child({}, { level: 'silent' }); // One of the connections tells of outages, not all.
  const subscriber = patientConnection(access, quiet);
  watchFitness(redis, log);
  const sending = sendingConnection(access, quiet);
  const clock = followClock(redis);
  const directorySync = openDirectorySync({ redis, subscriber, clock, expected, log });
  const deliveries = createDeliveries(redis);
  const records = createRecordReader(redis, clock, keepSeconds);
  const waiter = createWaiter(records.job, subscriber);
  const asker = createRpcClient(redis, subscriber, clock);
  const readHosts = createHostsReader(redis, clock);
  const hosts = remembered(async () => {
    await directorySync.settled();
    return readHosts();
  }, hostsFresh);
  const connect = () => readingConnection(access, quiet);
  const parts: AcceptParts = {
    ...{ redis, clock, deliveries, directorySync, limits, keepSeconds },
    predictor: createHostPredictor(),
    atOnce: !redis.isCluster,
  };
  /** What is not there may be so because Redis has just lost it. */
  const surely = async <T>(read: () => Promise<T | null>): Promise<T | null> => {
    const found = await read();
    if (found !== null) return found;
    await directorySync.look();
    await directorySync.settled();
    return read();
  };
  // What a host has said has been done may be relied on at once: that it drains, that it takes
  // gears again.
  subscriber.on('pmessage', (pattern: string, _channel: string, said: string) => {
    if (pattern === channels.here('*') && said === 'held') hosts.forget();
  });
  return {
    accept: guarded((submission, placement) => accept(parts, submission, placement)),
    job: guarded(records.job),
    wait: guarded(waiter.wait),
    news: waiter.news,
    progressLines: guarded((host, id, after) => readProgress(redis, host, id, after)),
    listJobs: guarded(async (filter, limit, after, signal) => {
      const names = filter.h === undefined ? await redis.smembers(keys.hosts) : [filter.h];
      return listJobs(redis, names, records.shown, filter, { limit, after, signal });
    }),
    cancel: guarded(({ job }, sealed) => cancelJob(redis, job, sealed, keepSeconds)),
    hosts: guarded(hosts.read),
    host: guarded((name) => surely(() => readHost(redis, clock, name))),
    listNames: guarded(async (kind, scope, limit, after) => {
      await directorySync.look();
      await directorySync.settled();
      return listNames(redis, kind, scope, { limit, after });
    }),
    removeHost: guarded((name) => removeHost(redis, name, keepSeconds).finally(hosts.forget)),
    findHolder: guarded((kind, resource) => surely(() => findHolder(redis, kind, resource))),
    held: guarded((host, kind, names) => heldAmong(redis, host, kind, names)),
    ask: guarded(asker.ask),
    relay: guarded((host, wanted, signal) => {
      const open = () => openFrames(redis, connect, (id) => keys.frames(host, id), signal);
      return relay(asker, open, host, wanted, signal);
    }),
    onFetch: (listener) => onCopyRequest(subscriber, listener),
    // Not guarded: it also throws what the body throws.
    bring: (fetch, open, signal) => sendTo(sending, fetch, open, signal),
    ping: guarded(async () => {
      await redis.exists(keys.epoch); // A node of a Cluster that is down answers PING all the same.
    }),
    async close() {
      directorySync.close();
      await deliveries.close();
      subscriber.disconnect();
      sending.disconnect();
      redis.disconnect();
    },
  };
}

/** Has a worker of a host send a stream; `open` makes what it is read from. */
async function relay(
  asker: RpcClient,
  open: () => Promise<FrameReader>,
  host: string,
  { name, sealed, how }: WantedStream,
  signal: AbortSignal,
): Promise<OpenStream> {
  signal.throwIfAborted();
  const frames = await open();
  try {
    const opening = { id: frames.id, how };
    const { head } = await asker.ask(host, 'stream.open', sealed, opening, openDeadline);
    signal.throwIfAborted();
    return { head: parseHead(name, head), body: frames.body };
  } catch (error) {
    await frames.drop();
    throw error;
  }
}

interface Remembered<T> {
  read(): Promise<T>;
  /** Whoever reads from now on gets a new answer. */
  forget(): void;
}

/**
 * A read whose answer is shared by everybody who asks within so many milliseconds. Failures are not
 * remembered.
 */
function remembered<T>(read: () => Promise<T>, milliseconds: number): Remembered<T> {
  let last: { at: number; answer: Promise<T> } | null = null;
  return {
    read() {
      if (last && performance.now() - last.at < milliseconds) return last.answer;
      const fresh = { at: performance.now(), answer: read() };
      last = fresh;
      fresh.answer.catch(() => {
        if (last === fresh) last = null;
      });
      return fresh.answer;
    },
    forget() {
      last = null;
    },
  };
}
