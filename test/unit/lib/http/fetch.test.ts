import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, expect, test } from 'vitest';
import { BrokenOff, fetchOnce, NotConnected } from '../../../../src/lib/http/fetch.ts';
import { freePort } from '../../../support/free-port.ts';
import { listening } from '../../../support/listening.ts';

let server: Server | undefined;
const open = new Set<Socket>();
afterEach(() => {
  for (const socket of open) socket.destroy();
  server?.close();
});

/** Asks a server that does this with each connection. */
async function ask(answer: (socket: Socket) => void, init: RequestInit = {}) {
  server = createServer((socket) => {
    open.add(socket);
    socket.on('error', () => undefined);
    answer(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return fetchOnce(`http://127.0.0.1:${port}/x?y`, init);
}

const head = (more: string) => `HTTP/1.1 200 OK\r\n${more}\r\n`;

test('an answer is its status, its headers and its body', async () => {
  const response = await ask((socket) =>
    socket.end('HTTP/1.1 503 Not Yet\r\nRetry-After: 2\r\nContent-Length: 4\r\n\r\nsoon'),
  );
  expect([response.status, response.headers.get('retry-after'), await response.text()]).toEqual([
    503,
    '2',
    'soon',
  ]);
});

test('method, headers and body are sent', async () => {
  let sent: Promise<string> | undefined;
  const init = { method: 'PUT', headers: { Authorization: 'Bearer x' }, body: '{"a":1}' };
  await ask((socket) => {
    sent = text(socket);
    socket.write(head('Content-Length: 0\r\n'));
  }, init);
  for (const socket of open) socket.end();
  expect(await sent).toMatch(/^PUT \/x\?y HTTP\/1\.1\r\nauthorization: Bearer x\r\n.*\r\n\r\n{"a":1}$/s);
});

test('an answer that has no body has none', async () => {
  const response = await ask((socket) => socket.end('HTTP/1.1 304 Not Modified\r\n\r\n'));
  expect([response.status, response.body]).toEqual([304, null]);
});

test('an answer with a status that there is not is none', async () => {
  const answer = 'HTTP/1.1 600 What\r\nContent-Length: 0\r\n\r\n';
  const refused = await ask((socket) => socket.write(answer)).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(TypeError);
  expect(refused).toMatchObject({ cause: expect.any(RangeError) });
});

test('a connection that is closed at once, as by who listens for a program that does not yet, is no answer', async () => {
  const refused = await ask((socket) => socket.end()).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(TypeError);
  expect(refused).not.toBeInstanceOf(NotConnected);
  expect(refused).toMatchObject({ cause: { code: 'ECONNRESET' } });
});

test('a server that cannot be reached was sent nothing, and neither was one that speaks no TLS', async () => {
  const plain = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  const urls = [`http://127.0.0.1:${await freePort()}`, `https://${await listening(plain)}`];
  for (const url of urls) await expect(fetchOnce(url)).rejects.toBeInstanceOf(NotConnected);
});

test('an answer that ends too early is none', async () => {
  const response = await ask((socket) => socket.end(`${head('Content-Length: 100\r\n')}{`));
  await expect(response.text()).rejects.toBeInstanceOf(BrokenOff);
});

test.each([
  ['nothing', ''],
  ['only a beginning', `${head('Content-Length: 100\r\n')}{`],
])('who is sent %s stops waiting when the signal says so, for its reason', async (_, answer) => {
  const abort = new AbortController();
  setTimeout(() => abort.abort(new Error('enough')), 50);
  const whole = ask((socket) => socket.write(answer), { signal: abort.signal }).then((it) => it.text());
  await expect(whole).rejects.toThrow('enough');
});
