import type { Redis } from 'ioredis';
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
import { createHostsReader, epochOfHeld, type HostEntry, heldAmong, readHost } from './directory/hosts.ts';
import { type Removed, removeHost } from './directory/remove-host.ts';
import { openDirectorySync } from './directory/sync.ts';
import { createDeliveries } from './records/deliveries.ts';
import { cancelJob } from './records/end-job.ts';
import type { JobRecord } from './records/job-record.ts';
import { createWaiter, type Waiter } from './records/job-waiter.ts';
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
import { type CopyRequest, sendCopy, subscribeToCopyRequests } from './rpc/copy-requests.ts';
import { createRelaySender } from './rpc/relay-sender.ts';
import { createRpcClient, type RpcClient } from './rpc/rpc.ts';
import { openFrames } from './rpc/stream-relay.ts';

export { type Room, roomOf } from './accept/record-request.ts';
export type { Accepted, Candidate, GearMemory, JobSubmission, Placement } from './accept/submission.ts';
export type { NamePage } from './directory/entries.ts';
export type { HostEntry } from './directory/hosts.ts';
export type { JobRecord } from './records/job-record.ts';
export type { ProgressLine } from './records/worker-records.ts';
export type { RedisAccess } from './redis/connection.ts';
export type { CopyRequest } from './rpc/copy-requests.ts';
export { NoAnswer } from './rpc/rpc.ts';

/**
 * Everything an api does with Redis. A call that Redis does not answer fails fast with
 * `queue_unavailable`.
 */
export interface ApiQueue extends RpcClient, Waiter {
  accept(submission: JobSubmission, placement: Placement): Promise<Accepted>;
  job(id: string): Promise<JobRecord | null>;
  /** Lines of a job's progress after the line `after`. */
  progressLines(host: string, id: string, after: string): Promise<ProgressLine[]>;
  /** See list-jobs.ts; rejects with the signal's reason when it aborts. */
  listJobs(filter: JobFilter, limit: number, after?: string, signal?: AbortSignal): Promise<JobPage>;
  /** `sealed`: the cancel request, sealed for the worker. */
  cancel(record: JobRecord, sealed: string): Promise<'queued' | 'running' | 'final' | 'absent'>;
  hosts(): Promise<HostEntry[]>;
  /** One host, or null when no host has that name. */
  host(name: string): Promise<HostEntry | null>;
  /** Forgets a host that will not come back. */
  removeHost(name: string): Promise<Removed>;
  /** See directory/entries.ts. */
  listNames(kind: Kind, scope: Scope, limit: number, after?: string): Promise<NamePage>;
  /** The host that holds a resource or has been asked to, or null. */
  findHolder(kind: Kind, resource: string): Promise<string | null>;
  /** The names among `names` that a host holds, as of its last announcement. */
  held(host: string, kind: Kind, names: string[]): Promise<string[]>;
  /**
   * Makes a worker send a stream through Redis. Throws the worker's error, before the first byte.
   */
  relay(host: string, wanted: WantedStream, signal: AbortSignal): Promise<OpenStream>;
  /** Calls the listener when a worker requests the data for a copy; see rpc/copy-requests.ts. */
  onCopyRequest(listener: (request: CopyRequest) => void): void;
  /**
   * Sends the requested data; false when another api does. Calls `open` once this api is to send.
   */
  sendCopy(
    request: CopyRequest,
    open: (signal: AbortSignal) => AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<boolean>;
  /** Resolves when Redis answers. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

/**
 * A stream that an api requests from a worker. The sealed client request names its source; `how`
 * holds the rest of its arguments.
 */
export interface WantedStream {
  name: StreamName;
  sealed: string;
  how: object;
}

/** Timeout for a worker to open a stream, in milliseconds. */
const openDeadline = 15_000;

export interface ApiQueueOptions {
  redis: RedisAccess;
  limits: JobLimits;
  /** Seconds to keep a finished job and its id. */
  keepSeconds: number;
  /** Hosts to wait for before relying on a new Redis. */
  expected: readonly string[];
  log: Logger;
}

export function openApiQueue(options: ApiQueueOptions): ApiQueue {
  const { redis: access, limits, keepSeconds, expected, log } = options;
  const redis = failFastConnection(access, log);
  const quiet = log.child({}, { level: 'silent' }); // Only one connection logs outages.
  const subscriber = patientConnection(access, quiet);
  watchFitness(redis, log);
  const sender = createRelaySender(sendingConnection(access, quiet));
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
  });
  const connect = () => readingConnection(access, quiet);
  const parts: AcceptParts = {
    redis,
    clock,
    deliveries,
    records,
    directorySync,
    limits,
    keepSeconds,
    predictor: createHostPredictor(),
    atOnce: !redis.isCluster,
  };
  /** Reads again when nothing is found: Redis may just have lost it. */
  const surely = async <T>(read: () => Promise<T | null>): Promise<T | null> => {
    const found = await read();
    if (found !== null) return found;
    await directorySync.confirmed();
    return read();
  };
  // A change that a host announces counts at once: that it drains, that it takes gears again.
  subscriber.on('pmessage', (pattern: string, _channel: string, said: string) => {
    if (pattern === channels.here('*') && epochOfHeld(said) !== null) hosts.forget();
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
      await directorySync.confirmed();
      return listNames(redis, kind, scope, { limit, after });
    }),
    removeHost: guarded((name) => removeHost(redis, name, keepSeconds).finally(hosts.forget)),
    findHolder: guarded((kind, resource) => surely(() => findHolder(redis, kind, resource))),
    held: guarded((host, kind, names) => heldAmong(redis, host, kind, names)),
    ask: guarded(asker.ask),
    relay: guarded((host, wanted, signal) => relay(redis, connect, asker, host, wanted, signal)),
    onCopyRequest: (listener) => subscribeToCopyRequests(subscriber, listener),
    // Not guarded: it also throws the errors of the body.
    sendCopy: (request, open, signal) => sendCopy(sender, request, open, signal),
    ping: guarded(async () => {
      await redis.exists(keys.epoch); // A Cluster node answers PING even when the Cluster is down.
    }),
    async close() {
      directorySync.close();
      await deliveries.close();
      await sender.close();
      for (const one of [subscriber, redis]) one.disconnect();
    },
  };
}

/** Makes a host's worker send a stream. */
async function relay(
  redis: Redis,
  connect: () => Redis,
  asker: RpcClient,
  host: string,
  { name, sealed, how }: WantedStream,
  signal: AbortSignal,
): Promise<OpenStream> {
  const ask = async (id: string) => {
    const { head } = await asker.ask(host, 'stream.open', sealed, { id, how }, openDeadline);
    return parseHead(name, head);
  };
  const { answer: head, body } = await openFrames(redis, connect, host, ask, signal);
  return { head, body };
}

/** Milliseconds for which a list of hosts stays fresh. */
const hostsFresh = 500;

/** Shares the answer of a read among all calls while it is fresh. Does not remember failures. */
function remembered<T>(read: () => Promise<T>) {
  let last: { at: number; answer: Promise<T> } | null = null;
  return {
    read() {
      if (last && performance.now() - last.at < hostsFresh) return last.answer;
      const fresh = { at: performance.now(), answer: read() };
      last = fresh;
      fresh.answer.catch(() => {
        if (last === fresh) last = null;
      });
      return fresh.answer;
    },
    /** Drops the shared answer: the next read gets a new one. */
    forget() {
      last = null;
    },
  };
}
