import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { answerClientErrors } from '../../../src/api/client-error.ts';

/** Sends text to a server and returns everything that it answers until it closes the connection. */
async function answerTo(sent: string) {
  const server = createServer({ headersTimeout: 200, connectionsCheckingInterval: 20 });
  answerClientErrors(server);
  onTestFinished(() => void server.close());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(sent);
  return text(socket);
}

test.each([
  ['no HTTP', 'hello\r\n\r\n', 400, 'invalid_request'],
  ['a header without a name', 'GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n', 400, 'invalid_request'],
  ['large headers', `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431, 'invalid_request'],
  ['half a request', 'GET / HTTP/1.1\r\nHost: a\r\n', 408, 'invalid_request'],
])('%s is answered with a problem document', async (_, sent, status, code) => {
  const answer = await answerTo(sent);
  const [head = '', body = ''] = answer.split('\r\n\r\n');
  expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} .*\r\n`));
  expect(head).toContain('Content-Type: application/problem+json');
  expect(head).toContain('X-Content-Type-Options: nosniff');
  expect(head).toContain(`Content-Length: ${Buffer.byteLength(body)}\r\n`);
  expect(JSON.parse(body)).toMatchObject({ type: `urn:geard:${code}`, status, code });
});

test.each([
  ['an answer', 1],
  ['the first of several answers', 3],
])('%s that has begun is cut off, and no document becomes a part of it', async (_, requests) => {
  const server = createServer((_req, res) => void res.write('begun'));
  answerClientErrors(server);
  onTestFinished(() => void server.close());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(requests));
  const [first] = await once(socket, 'data');
  expect(String(first)).toContain('begun');
  socket.write('no HTTP\r\n\r\n');
  expect(await text(socket)).not.toContain('problem');
});
