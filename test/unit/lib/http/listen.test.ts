import { once } from 'node:events';
import { createServer } from 'node:http';
import pino from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { listen } from '../../../../src/lib/http/listen.ts';

const told: string[] = [];
const log = pino({ level: 'error' }, { write: (line: string) => void told.push(JSON.parse(line).msg) });
const aServer = () => {
  const server = createServer((_req, res) => res.end('here'));
  onTestFinished(() => void server.close());
  return server;
};

test('a server listens where it is told, and says where that is', async () => {
  const { address: place } = await listen(aServer(), { host: '127.0.0.1', port: 0 }, log);
  expect(await (await fetch(`http://${place}`)).text()).toBe('here');
  const six = await listen(aServer(), { host: '::1', port: 0 }, log).catch(() => ({ address: '[::1]:1' }));
  expect(six.address).toMatch(/^\[::1\]:\d+$/);
});

test('a server whose port is taken does not listen', async () => {
  const { address: place } = await listen(aServer(), { host: '127.0.0.1', port: 0 }, log);
  const port = Number(place.split(':')[1]);
  await expect(listen(aServer(), { host: '127.0.0.1', port }, log)).rejects.toThrow('EADDRINUSE');
});

test('every later error of a server is logged, and none ends the process', async () => {
  const server = aServer();
  await listen(server, { host: '127.0.0.1', port: 0 }, log);
  for (let i = 0; i < 2; i++) server.emit('error', new Error('accept EMFILE'));
  expect(told).toEqual(['a connection could not be accepted', 'a connection could not be accepted']);
});

test('a server that closes answers what is under way within the grace', async () => {
  const server = createServer();
  const { address, close } = await listen(server, { host: '127.0.0.1', port: 0 }, log);
  const asked = once(server, 'request');
  const answer = fetch(`http://${address}`).then((response) => response.text());
  const [, response] = await asked;
  const closed = close(10_000);
  response.end('here');
  expect(await answer).toBe('here');
  await closed;
  await expect(fetch(`http://${address}`)).rejects.toThrow();
});

test('without a grace a server breaks off what is under way', async () => {
  const server = createServer(() => undefined);
  const { address, close } = await listen(server, { host: '127.0.0.1', port: 0 }, log);
  const asked = once(server, 'request');
  const answer = fetch(`http://${address}`).then(
    () => 'answered',
    () => 'broken off',
  );
  await asked;
  await close();
  expect(await answer).toBe('broken off');
});
