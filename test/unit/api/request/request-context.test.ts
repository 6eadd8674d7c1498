import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import type { Response } from 'express';
import { expect, onTestFinished, test } from 'vitest';
import { clientGone } from '../../../../src/api/request/request-context.ts';

/** An answer whose client is still there, and how the client leaves. */
async function aRequest() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  const [, res] = (await once(server, 'request')) as [IncomingMessage, ServerResponse];
  onTestFinished(() => void server.close());
  return {
    res: res as Response,
    async leave() {
      const closed = once(res, 'close');
      client.destroy();
      await closed;
    },
  };
}

test('a client that leaves is told to whoever waits for its answer', async () => {
  const { res, leave } = await aRequest();
  const gone = clientGone(res);
  expect(gone.aborted).toBe(false);
  await leave();
  expect(gone.aborted).toBe(true);
});

test('a client that has left is told to whoever begins to wait for its answer (house 7.4)', async () => {
  const { res, leave } = await aRequest();
  await leave();
  expect(clientGone(res).aborted).toBe(true);
});
