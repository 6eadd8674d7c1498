import { type Job as BullJob, Queue, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Logger } from 'pino';
import { deliveryId, keys, queueName } from '../redis/keys.ts';

/**
 * BullMQ carries the deliveries: one queue for each host, one BullMQ job for each of ours, holding
 * nothing but its id. The record in the ledger is the truth; a delivery only says "look at it", so
 * a superfluous one is harmless and a lost one is made good by the worker's own look at its open
 * jobs.
 */
export interface Deliveries {
  add(host: string, id: string, type: string): Promise<void>;
  close(): Promise<void>;
}

/** The sending side. Adding a known id again changes nothing. */
export function createDeliveries(redis: Redis): Deliveries {
  const queues = new Map<string, Queue>();
  const queueOf = (host: string) => {
    const queue = queues.get(host) ?? openQueue(redis, host);
    queues.set(host, queue);
    return queue;
  };
  // BullMQ defines its scripts with the first queue. Were that while ioredis gathers a batch, the
  // batch would not know them (redis/ioredis#1931); nothing is sent for this one.
  const first = openQueue(redis, '');
  return {
    async add(host, id, type) {
      const opts = { jobId: deliveryId(id), removeOnComplete: true, removeOnFail: true };
      await queueOf(host).add(type, { id }, opts);
    },
    async close() {
      await Promise.all([first, ...queues.values()].map((queue) => queue.close()));
    },
  };
}

function openQueue(redis: Redis, host: string): Queue {
  const queue = new Queue(queueName, {
    connection: redis,
    prefix: keys.queuePrefix(host),
    // A queue whose first command fails never works again; and preflight.ts looks at the version.
    skipVersionCheck: true,
    skipWaitingForReady: true,
    skipMetasUpdate: true,
    // Nobody reads BullMQ's own stream of events.
    streams: { events: { maxLen: 10 } },
  });
  queue.on('error', () => undefined); // The connection's own listener has logged it.
  return queue;
}

/**
 * The receiving side, on the host. A delivery has done its work when it has been looked at: what
 * becomes of the job, and that it is begun again, is up to the record. So a host needs no more than
 * one at a time, and holds none for long.
 */
export function receiveDeliveries(
  redis: Redis,
  host: string,
  deliver: (id: string) => Promise<void>,
  log: Logger,
): { close(): Promise<void> } {
  const look = async ({ data }: BullJob<{ id?: unknown }>) => {
    deliver(String(data.id)).catch((error: Error) =>
      log.debug({ id: data.id, reason: error.message }, 'a job is looked at again later'),
    );
  };
  const worker = new Worker(queueName, look, {
    connection: redis,
    prefix: keys.queuePrefix(host),
    // In seconds: what comes wakes us at once, however long we wait; only what gets lost with a
    // connection does not.
    drainDelay: 10,
    // For what a worker left behind that was killed in the middle of a look; the open jobs have
    // told of it by then.
    stalledInterval: 60_000,
    maxStalledCount: 1_000_000,
    removeOnComplete: { count: 0 },
    removeOnFail: { count: 0 },
  });
  worker.on('error', (error) => log.debug({ reason: error.message }, 'the queue reported an error'));
  return worker;
}
