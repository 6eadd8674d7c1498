import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import type { Request, Response } from 'express';
import { expect, onTestFinished, test } from 'vitest';
import { readBody } from '../../../../src/api/request/read-body.ts';
import { listening } from '../../../support/listening.ts';

/** What becomes of the body of a request that is read when its client has left, or is still there. */
async function read(head: string, body: string, leaves: boolean): Promise<unknown> {
  const server = createServer();
  const [host, port] = (await listening(server)).split(':');
  const socket = connect(Number(port), host);
  onTestFinished(() => void socket.destroy());
  socket.write(`PUT / HTTP/1.1\r\nHost: a\r\n${head}\r\n${body}`);
  const [req, res] = (await once(server, 'request')) as [Request, Response];
  if (leaves) {
    socket.destroy();
    await once(req.socket, 'close');
  }
  return readBody(req, res).then(
    () => (Buffer.isBuffer(req.body) ? String(req.body) : null),
    (error: { code: string }) => error.code,
  );
}

const sent = 'Content-Length: 2\r\n';

test('a request whose connection ends before its body is read is refused, and not taken for one without a body', async () => {
  expect(await read(sent, '{}', true)).toBe('invalid_request');
  expect(await read('Transfer-Encoding: chunked\r\n', '2\r\n{}\r\n0\r\n\r\n', true)).toBe('invalid_request');
});

test('a body is read whatever its type, and a request may have none, also where its client has left', async () => {
  expect(await read(sent, '{}', false)).toBe('{}');
  expect(await read('Content-Length: 0\r\n', '', false)).toBe('');
  for (const leaves of [true, false]) expect(await read('', '', leaves)).toBe(null);
});
