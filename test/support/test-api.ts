import pino, { type Logger } from 'pino';
import { type RunningApi, startApi } from '../../src/api/start-api.ts';
import type { UserLimits } from '../../src/jobs/limits.ts';
import type { ApiQueue } from '../../src/queue/api-queue.ts';
import { noKeys } from '../../src/token/keyring.ts';
import { createSealer } from '../../src/token/seal.ts';
import { createVerifier, type Verifier } from '../../src/token/verifier.ts';
import { type FleetQueue, openFleetQueue } from './fleet-queue.ts';
import { userLimits } from './limits.ts';
import { openTestRedis, type TestRedis } from './redis.ts';
import { lifetimes } from './tokens.ts';

const testTokenOnly = createVerifier({ keys: noKeys, fleet: 'geard', lifetimes, testToken: true });

/** An api before a queue, in this process; for the test token unless it is told which to take. */
export function openTestApi(
  queue: ApiQueue,
  log: Logger,
  verifier: Verifier = testTokenOnly,
  limits: UserLimits = userLimits(),
): Promise<RunningApi> {
  return startApi(
    {
      queue,
      verifier,
      sealer: createSealer(noKeys, true),
      version: '1',
      limits,
      transport: 'relay',
      log,
    },
    { host: '127.0.0.1', port: 0 },
  );
}

/** An api, the queue before which it is, and their Redis. */
export interface QueueApi {
  redis: TestRedis;
  queue: FleetQueue;
  api: RunningApi;
  close(): Promise<void>;
}

/** Opens an api with all it needs. `seenAs`: what the api gets to see of the queue; default: the queue. */
export async function openQueueApi(
  log: Logger = pino({ level: 'silent' }),
  seenAs: (queue: ApiQueue) => ApiQueue = (queue) => queue,
): Promise<QueueApi> {
  const redis = await openTestRedis();
  const queue = await openFleetQueue(redis.url);
  const api = await openTestApi(seenAs(queue.queue), log);
  return {
    redis,
    queue,
    api,
    async close() {
      await api.close(0);
      await queue.close();
      await redis.close();
    },
  };
}
