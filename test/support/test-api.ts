import type { Logger } from 'pino';
import { type RunningApi, startApi } from '../../src/api/start-api.ts';
import type { ApiQueue } from '../../src/queue/api-queue.ts';
import { noKeys } from '../../src/token/keyring.ts';
import { createSealer } from '../../src/token/seal.ts';
import { createVerifier, type Verifier } from '../../src/token/verifier.ts';
import { userLimits } from './limits.ts';
import { lifetimes } from './tokens.ts';

const testTokenOnly = createVerifier({ keys: noKeys, fleet: 'geard', lifetimes, testToken: true });

/** An api before a queue, in this process; for the test token unless it is told which to take. */
export function openTestApi(
  queue: ApiQueue,
  log: Logger,
  verifier: Verifier = testTokenOnly,
): Promise<RunningApi> {
  return startApi(
    {
      queue,
      verifier,
      sealer: createSealer(noKeys, () => null, true),
      version: '1',
      limits: userLimits(),
      transport: 'relay',
      log,
    },
    { host: '127.0.0.1', port: 0 },
  );
}
