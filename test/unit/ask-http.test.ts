import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { askHttp } from '../../src/lib/ask-http.ts';

let server: Server | undefined;
const open = new Set<Socket>();
afterEach(() => {
  for (const socket of open) socket.destroy();
  server?.close();
});

/** Asks a server that does this with each connection. */
async function ask(answer: (socket: Socket) => void, deadline = 10_000) {
  server = createServer((socket) => {
    open.add(socket);
    socket.on('error', () => undefined);
    answer(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return askHttp(`http://127.0.0.1:${port}/`, { method: 'GET', headers: {}, deadline });
}

test('an answer is its status and its body', async () => {
  const answer = 'HTTP/1.1 503 Not Yet\r\nContent-Length: 4\r\n\r\nsoon';
  expect(await ask((socket) => socket.end(answer))).toEqual({ status: 503, text: 'soon' });
});

test('a connection that is closed at once, as by who listens for a program that does not yet, is no answer', async () => {
  await expect(ask((socket) => socket.end())).rejects.toMatchObject({ code: 'ECONNRESET' });
});

test('an answer that ends too early is none', async () => {
  const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{';
  await expect(ask((socket) => socket.end(answer))).rejects.toMatchObject({ code: 'ECONNRESET' });
});

test.each([
  ['nothing', ''],
  ['only a beginning', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{'],
])('who is sent %s stops waiting at the deadline', async (_, answer) => {
  await expect(ask((socket) => socket.write(answer), 50)).rejects.toThrow('no answer within 0.05 s');
});
