import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Job as BullJob, Queue, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Logger } from 'pino';
import { deliveryId, keys, queueName } from './keys.ts';

/**
 * BullMQ carries the deliveries: one queue for each host, one BullMQ job for each of ours, holding nothing but
 * its id. The record in the ledger is the truth; a delivery only says "look at it", so a superfluous one is
 * harmless and a lost one is made good by the worker's own look at its open jobs.
 */
export interface Deliveries {
  add(host: string, id: string, type: string): Promise<void>;
  close(): Promise<void>;
}

/** The sending side. Adding a known id again changes nothing. */
export function createDeliveries(redis: Redis): Deliveries {
  const queues = new Map<string, Queue>();
  const queueOf = (host: string) => {
    const known = queues.get(host);
    if (known) return known;
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
    queues.set(host, queue);
    return queue;
  };
  const deliver = async (host: string, deliveries: { id: string; type: string }[]) => {
    const opts = { removeOnComplete: true, removeOnFail: true };
    await queueOf(host).addBulk(
      deliveries.map(({ id, type }) => ({
        name: type,
        data: { id },
        opts: { ...opts, jobId: deliveryId(id) },
      })),
    );
  };
  const gather = new Map<string, { deliveries: { id: string; type: string }[]; sent: Promise<void> }>();
  return {
    // What arrives in one turn of the event loop goes out in one transaction.
    add(host, id, type) {
      const open = gather.get(host);
      if (open) {
        open.deliveries.push({ id, type });
        return open.sent;
      }
      const deliveries = [{ id, type }];
      const sent = nextTurn().then(() => {
        gather.delete(host);
        return deliver(host, deliveries);
      });
      gather.set(host, { deliveries, sent });
      return sent;
    },
    async close() {
      await Promise.all([...queues.values()].map((queue) => queue.close()));
    },
  };
}

export interface Receiver {
  /** Stops taking deliveries and waits for those that are under way. */
  close(): Promise<void>;
}

/**
 * The receiving side, on the host. `deliver` resolves when the job is over, or rejects when it is to be delivered
 * again. Every open job of a host is under way at once, waiting for its turn in its gear's line: so one gear's
 * slow pull never holds up another gear's stop.
 */
export function receiveDeliveries(
  redis: Redis,
  host: string,
  concurrency: number,
  deliver: (id: string) => Promise<void>,
  log: Logger,
): Receiver {
  const worker = new Worker(queueName, (job: BullJob<{ id?: unknown }>) => deliver(String(job.data.id)), {
    connection: redis,
    prefix: keys.queuePrefix(host),
    concurrency,
    lockDuration: 15_000,
    stalledInterval: 5_000,
    // A worker that was killed often is no reason to lose a job; the runner has its own limit.
    maxStalledCount: 1_000_000,
    removeOnComplete: { count: 0 },
    removeOnFail: { count: 0 },
  });
  worker.on('error', (error) => log.debug({ reason: error.message }, 'the queue reported an error'));
  return { close: () => worker.close() };
}
