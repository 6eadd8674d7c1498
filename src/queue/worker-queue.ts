import type { Redis } from 'ioredis';
import type { Logger } from 'pino';
import type { Kind } from '../jobs/fields/resource.ts';
import {
  announceHeld,
  announceHost,
  type Holder,
  type HostMessage,
  type HostReport,
  readHeld,
  withdrawHost,
} from './directory/hosts.ts';
import { receiveDeliveries } from './records/deliveries.ts';
import { createWorkerRecords, type WorkerRecords } from './records/worker-records.ts';
import { followClock } from './redis/clock.ts';
import {
  patientConnection,
  type RedisAccess,
  readingConnection,
  sendingConnection,
} from './redis/connection.ts';
import { isEpoch } from './redis/epoch.ts';
import { channels, keys } from './redis/keys.ts';
import { watchFitness } from './redis/preflight.ts';
import { requestCopy } from './rpc/copy-requests.ts';
import { createRelaySender } from './rpc/relay-sender.ts';
import { type QueryHandlers, serveQueries } from './rpc/rpc.ts';

export {
  type Holder,
  type HostMessage,
  heartbeatInterval,
  heldUnder,
  maxPorts,
  NameTaken,
} from './directory/hosts.ts';
export type { JobRecord } from './records/job-record.ts';
export type { WorkerRecords } from './records/worker-records.ts';
export type { RedisAccess } from './redis/connection.ts';
export type { Asking, QueryHandlers } from './rpc/rpc.ts';

/** Everything a worker does with Redis. Its calls wait for Redis to come back. */
export interface WorkerQueue {
  records: WorkerRecords;
  /** Announces that the host is alive, with a message. Rejects with `NameTaken`. */
  announceHost(host: HostReport, message: HostMessage): Promise<void>;
  withdrawHost(host: HostReport): Promise<void>;
  /** Announces the resources of a kind that `list` finds on disk. */
  announceHeld(kind: Kind, list: () => Promise<string[]>): Promise<void>;
  /** The names that this host holds according to Redis. */
  held(kind: Kind): Promise<string[]>;
  /** Sends a stream's body to the api that waits for it under this id; see rpc/stream-relay.ts. */
  relay(id: string, body: AsyncIterable<Uint8Array>, abort: (reason: Error) => void): Promise<void>;
  /**
   * Requests the data for a job's copy from an api. The body throws a `Failure` when it breaks off.
   */
  requestCopy(job: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
  /** Starts to handle deliveries and queries. */
  open(deliver: (id: string) => Promise<void>, answers: QueryHandlers): void;
  /** Calls the listener at every connect to Redis, and when an api asks for announcements. */
  onAsked(listener: () => void): void;
  /** The epoch under which an api last asked; '' if none has since the last connect. */
  epoch(): string;
  /** Stops taking deliveries. */
  stopReceiving(): Promise<void>;
  close(): Promise<void>;
}

export interface WorkerQueueOptions {
  redis: RedisAccess;
  host: string;
  holder: Holder;
  /** Seconds to keep a finished job and its id. */
  keepSeconds: number;
  log: Logger;
}

export function openWorkerQueue(options: WorkerQueueOptions): WorkerQueue {
  const { redis: access, host, holder, keepSeconds, log } = options;
  const quiet = log.child({}, { level: 'silent' }); // Only one connection logs outages.
  const redis = patientConnection(access, log);
  watchFitness(redis, log);
  const clock = followClock(redis);
  const delivering = patientConnection(access, quiet);
  const asking = patientConnection(access, quiet);
  const hearing = patientConnection(access, quiet);
  const sender = createRelaySender(sendingConnection(access, quiet));
  const stop = new AbortController();
  let epoch = '';
  let receiver: { close(): Promise<void> } | null = null;
  return {
    records: createWorkerRecords(redis, host, keepSeconds),
    announceHost: (report, message) =>
      announceHost(redis, { ...report, lastSeen: clock.now() }, holder, message),
    withdrawHost: (report) => withdrawHost(redis, report, holder),
    announceHeld: (kind, list) => announceHeld(redis, host, kind, list),
    held: (kind) => readHeld(redis, host, kind),
    relay: (id, body, abort) => sender.send(keys.frames(host, id), body, abort),
    requestCopy: (job, signal) =>
      requestCopy(redis, () => readingConnection(access, quiet), host, job, signal),
    open(deliver, answers) {
      receiver = receiveDeliveries(delivering, host, deliver, log);
      serveQueries(redis, asking, host, answers, clock, log, stop.signal).catch((error: Error) =>
        log.error({ err: error }, 'queries are no longer answered'),
      );
    },
    epoch: () => epoch,
    onAsked(listener) {
      const connected = () => {
        epoch = ''; // This may be another Redis.
        listener();
      };
      const whenReady = (connection: Redis, tell: () => void) => {
        if (connection.status === 'ready') tell();
        connection.on('ready', tell);
      };
      whenReady(redis, connected);
      hearing.on('message', (_channel: string, asked: string) => {
        epoch = isEpoch(asked) ? asked : '';
        listener();
      });
      // Calls the listener again after subscribing: otherwise an api that asked just before would
      // wait for the next heartbeat.
      whenReady(hearing, () => void hearing.subscribe(channels.who).then(connected, () => undefined));
    },
    async stopReceiving() {
      await receiver?.close();
    },
    async close() {
      stop.abort();
      await sender.close();
      for (const one of [hearing, asking, delivering, redis]) one.disconnect();
    },
  };
}
