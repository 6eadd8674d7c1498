import { expect, onTestFinished, test } from 'vitest';
import { type CopyParts, serveCopies } from '../../../../src/api/streams/copies.ts';
import type { ApiQueue, CopyRequest } from '../../../../src/queue/api-queue.ts';
import { openRequest, sealRequest } from '../../../../src/requests/envelope.ts';
import { testToken } from '../../../../src/token/claims.ts';
import { noKeys } from '../../../../src/token/keyring.ts';
import { createSealer } from '../../../../src/token/seal.ts';
import { createVerifier } from '../../../../src/token/verifier.ts';
import { keepLog } from '../../../support/log-lines.ts';
import { lifetimes } from '../../../support/tokens.ts';
import { until } from '../../../support/until.ts';

const job = 'a'.repeat(32);
const origin = { trace: 'req-1', peer: '192.0.2.1' };

/** What is logged of a copy for a job of ann's whose source breaks off, and how the source was asked. */
async function brokenCopy() {
  const { log, lines } = keepLog();
  const sealer = createSealer(noKeys, true);
  const request = { method: 'PUT', path: '/repository', body: '' } as const;
  const query = `u=ann&i=${job}&r=copy&t=gear%3A%2F%2Fsite`;
  const whole = { token: testToken, request: { ...request, query }, origin };
  const sealed = sealRequest(sealer, whole, { use: 'job', host: 'h2', job });
  let ask: (request: CopyRequest) => void = () => undefined;
  const queue = {
    onCopyRequest: (listener: typeof ask) => {
      ask = listener;
    },
    job: async () => ({ job: { host: 'h2', state: 'running', user: 'ann' }, sealed, origin }),
    findHolder: async () => 'h1',
    hosts: async () => [],
    async sendCopy(_: CopyRequest, open: (signal: AbortSignal) => AsyncIterable<Uint8Array>) {
      for await (const _chunk of open(new AbortController().signal));
    },
  } as unknown as ApiQueue;
  const asked: Parameters<CopyParts['open']>[] = [];
  const open = (async (...all: Parameters<CopyParts['open']>) => {
    asked.push(all);
    throw new Error('the source is away');
  }) as CopyParts['open'];
  const verifier = createVerifier({ keys: noKeys, fleet: 'geard', lifetimes, testToken: true });
  onTestFinished(serveCopies({ queue, verifier, sealer, open, log }));
  ask({ host: 'h2', job, frames: 'frames' });
  await until('it is broken off', () => lines[0]);
  const [[host = '', wanted] = []] = asked;
  return { lines, sent: openRequest(sealer, wanted?.sealed ?? '', { use: 'copy', host }) };
}

test('a copy that breaks off is logged with the job that wanted it, and whose that is', async () => {
  const { lines } = await brokenCopy();
  const whose = { user: 'ann', token: expect.stringMatching(/^token:[0-9a-f]{12}$/), ...origin };
  expect(lines).toMatchObject([
    { job, host: 'h2', ...whose, msg: 'a copy was broken off', reason: 'the source is away' },
  ]);
});

test('the worker of the source hears where the request for a copy came from', async () => {
  expect((await brokenCopy()).sent).toMatchObject({ origin });
});
