import { expect, test } from 'vitest';
import { Failure } from '../../../../src/jobs/errors.ts';
import { parseAllowance } from '../../../../src/worker/domain/addresses.ts';
import { ensureImage } from '../../../../src/worker/image/ensure-image.ts';
import type { JobContext } from '../../../../src/worker/jobs/context.ts';
import { keepLog } from '../../../support/log-lines.ts';

/** What a job of ann's logs whose pull fails. */
async function loggedOf(pull: () => Promise<never>, signal = new AbortController().signal) {
  const { log, lines } = keepLog();
  const services = {
    engine: { image: async () => null, pull },
    pulls: { run: (_tenant: string, work: () => Promise<void>) => work() },
    registries: parseAllowance([]),
    log: log.child({ user: 'ann' }),
  };
  const context = { services, tenant: 'ann', report: () => undefined, signal } as unknown as JobContext;
  const failure = await ensureImage('nginx:1.27', context).catch((error: Error) => error.message);
  return { lines, failure };
}

test('what the registry has said stands in a line of the job, and is not told', async () => {
  const cause = new Error('dial tcp 10.0.0.1:443: connection refused');
  const refused = new Failure('registry_failed', 'no image came', { cause });
  const { lines, failure } = await loggedOf(() => Promise.reject(refused));
  expect(failure).toBe('no image came');
  expect(lines).toMatchObject([{ user: 'ann', image: 'nginx:1.27', msg: 'an image could not be pulled' }]);
  expect(JSON.stringify(lines)).toContain('10.0.0.1');
});

test('a pull that is given up is no fault, and not logged', async () => {
  const { lines, failure } = await loggedOf(
    () => Promise.reject(new Error('cancelled')),
    AbortSignal.abort(),
  );
  expect(failure).toBe('cancelled');
  expect(lines).toEqual([]);
});
