import { type Job as BullJob, Queue, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Logger } from 'pino';
import { deliveryId, keys, queueName } from '../redis/keys.ts';

/**
 * BullMQ carries the deliveries: one queue per host, and one BullMQ job per job of ours, which
 * holds only its id. The record is the truth. A delivery only triggers a look at it:
 * an extra one is harmless, and the worker makes up for a lost one by checking its open jobs.
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
  // BullMQ defines its scripts with the first queue. A batch that ioredis is gathering at that time
  // would not know them (redis/ioredis#1931); this first queue sends nothing.
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
    // A queue whose first command fails stays broken; preflight.ts checks the version.
    skipVersionCheck: true,
    skipWaitingForReady: true,
    skipMetasUpdate: true,
    // BullMQ's own stream of events has no reader.
    streams: { events: { maxLen: 10 } },
  });
  queue.on('error', () => undefined); // The connection's own listener logs it.
  return queue;
}

/**
 * The receiving side, on the host. A delivery is done once the worker has looked at it: the record
 * decides what happens to the job, and whether it begins again. So a host needs only one at a time,
 * and holds none for long.
 */
export function receiveDeliveries(
  redis: Redis,
  host: string,
  deliver: (id: string) => Promise<void>,
  log: Logger,
): { close(): Promise<void> } {
  const look = async ({ data }: BullJob<{ id?: unknown }>) => {
    deliver(String(data.id)).catch((error: Error) =>
      log.debug({ id: data.id, reason: error.message }, 'a job will be checked again later'),
    );
  };
  const worker = new Worker(queueName, look, {
    connection: redis,
    prefix: keys.queuePrefix(host),
    // In seconds. A new delivery wakes the worker at once, however long this is; only one lost with
    // a connection does not.
    drainDelay: 10,
    // For deliveries left by a worker killed in the middle of a look; by then the new worker has
    // found these jobs among its open jobs.
    stalledInterval: 60_000,
    maxStalledCount: 1_000_000,
    removeOnComplete: { count: 0 },
    removeOnFail: { count: 0 },
  });
  worker.on('error', (error) => log.debug({ reason: error.message }, 'the queue reported an error'));
  return worker;
}
