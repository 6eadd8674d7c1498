import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { createApp } from '../../../../src/api/create-app.ts';
import type { OpenStreamOf } from '../../../../src/api/streams/open-stream.ts';
import type { ApiQueue } from '../../../../src/queue/api-queue.ts';
import { openRequest } from '../../../../src/requests/envelope.ts';
import { noKeys } from '../../../../src/token/keyring.ts';
import { createSealer } from '../../../../src/token/seal.ts';
import { createVerifier } from '../../../../src/token/verifier.ts';
import { userLimits } from '../../../support/limits.ts';
import { keepLog } from '../../../support/log-lines.ts';
import { lifetimes } from '../../../support/tokens.ts';

/** What is logged while ann's stream is opened, and where its worker hears that it came from. */
async function opened(path: string) {
  const { log, lines } = keepLog();
  const sealer = createSealer(noKeys, true);
  let origin: unknown;
  const open = (async (host, { sealed }, _signal, whose) => {
    whose.warn('it is opened');
    origin = openRequest(sealer, sealed, { use: 'answer', host })?.origin;
    return { head: { etag: '"a"', filename: 'a.zip', notModified: false }, body: [] as never };
  }) as OpenStreamOf;
  const app = createApp({
    ...{ open, sealer, log, version: '1', limits: userLimits() },
    queue: { findHolder: async () => 'h1', hosts: async () => [] } as unknown as ApiQueue,
    verifier: createVerifier({ keys: noKeys, fleet: 'geard', lifetimes, testToken: true }),
  });
  const server = createServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}/token/__test__/${path}`;
  const answer = await fetch(url, { headers: { 'X-Request-Id': 'req-1', Connection: 'close' } });
  await answer.text();
  return { lines: lines.filter(({ msg }) => msg === 'it is opened'), origin };
}

test.each([
  ['container/log?u=ann&r=web', 'container.log', 'web'],
  ['content?u=ann&t=gitarchive&r=site', 'content.archive', 'site'],
])('while %s is opened every line says whose it is, and so does what the worker is sent', async (path, type, resource) => {
  const from = { trace: 'req-1', peer: '127.0.0.1' };
  const token = expect.stringMatching(/^token:[0-9a-f]{12}$/);
  const { lines, origin } = await opened(path);
  expect(lines).toMatchObject([{ ...from, user: 'ann', token, type, resource }]);
  expect(origin).toEqual(from);
});
