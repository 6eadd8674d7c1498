import type { Logger } from 'pino';
import { type Answers, answerQuestions } from './asks.ts';
import { patientConnection } from './connection.ts';
import { receiveDeliveries } from './deliveries.ts';
import { type Announcement, announceGears, announceHost, withdrawHost } from './directory.ts';
import { createWorkerLedger, type WorkerLedger } from './ledger.ts';

export type { Answers } from './asks.ts';
export { heartbeatInterval } from './directory.ts';
export type { WorkerLedger } from './ledger.ts';
export type { JobRecord } from './record.ts';

/** Everything a worker does with Redis. Its calls wait for Redis to come back. */
export interface WorkerQueue {
  ledger: WorkerLedger;
  announceHost(host: Announcement): Promise<void>;
  withdrawHost(host: Announcement): Promise<void>;
  /** Returns the gears that another host holds too. */
  announceGears(onDisk: string[]): Promise<string[]>;
  /** Has every delivery and question handled from now on. */
  open(deliver: (id: string) => Promise<void>, answers: Answers): void;
  /** Called whenever Redis has come (back). */
  onReady(listener: () => void): void;
  /** Takes no more deliveries; resolves when those under way have settled. */
  stopReceiving(): Promise<void>;
  close(): Promise<void>;
}

export interface WorkerQueueOptions {
  redisUrl: string;
  host: string;
  /** Jobs that may be under way at once, most of them waiting for their turn. */
  concurrency: number;
  /** Seconds for which a finished job and its id are kept. */
  keepSeconds: number;
  log: Logger;
}

export function openWorkerQueue(options: WorkerQueueOptions): WorkerQueue {
  const { redisUrl, host, concurrency, keepSeconds, log } = options;
  const quiet = log.child({}, { level: 'silent' }); // One of the connections tells of outages, not all.
  const redis = patientConnection(redisUrl, log);
  const delivering = patientConnection(redisUrl, quiet);
  const asking = patientConnection(redisUrl, quiet);
  const stop = new AbortController();
  let receiver: { close(): Promise<void> } | null = null;
  return {
    ledger: createWorkerLedger(redis, host, keepSeconds),
    announceHost: (announcement) => announceHost(redis, announcement),
    withdrawHost: (announcement) => withdrawHost(redis, announcement),
    announceGears: (onDisk) => announceGears(redis, host, onDisk),
    open(deliver, answers) {
      receiver = receiveDeliveries(delivering, host, concurrency, deliver, log);
      answerQuestions(redis, asking, host, answers, log, stop.signal).catch((error: Error) =>
        log.error({ err: error }, 'questions are no longer answered'),
      );
    },
    onReady: (listener) => {
      if (redis.status === 'ready') listener();
      redis.on('ready', listener);
    },
    async stopReceiving() {
      await receiver?.close();
    },
    async close() {
      stop.abort();
      asking.disconnect();
      delivering.disconnect();
      redis.disconnect();
    },
  };
}
