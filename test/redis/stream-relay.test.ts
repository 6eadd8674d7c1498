import { randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';
import pino from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  failFastConnection,
  readingConnection,
  sendingConnection,
} from '../../src/queue/redis/connection.ts';
import { NobodyReads, openFrames, sendFrames } from '../../src/queue/rpc/stream-relay.ts';
import { openTestRedis, type TestRedis, timesSent } from '../support/redis.ts';
import { until } from '../support/until.ts';

const log = pino({ level: 'silent' });
const keyOf = (id: string) => `geard:{h1}:frames:${id}`;
let redis: TestRedis;
let apis: Redis;
let workers: Redis;
let abort: AbortController;

beforeEach(async () => {
  redis = await openTestRedis();
  apis = failFastConnection({ url: redis.url }, log);
  workers = sendingConnection({ url: redis.url }, log);
  abort = new AbortController();
  await until('both are connected', () => apis.status === 'ready' && workers.status === 'ready');
});
afterEach(async () => {
  abort.abort();
  apis.disconnect();
  workers.disconnect();
  await redis.close();
});

/** What asks a host for a stream: here the test itself sends it, by its id. */
const ask = async (id: string) => id;
const open = async (gone?: number) => {
  const connect = () => readingConnection({ url: redis.url }, log);
  const { answer: id, body } = await openFrames(apis, connect, 'h1', ask, abort.signal, gone);
  return { id, body };
};

async function collect(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const noAbort = () => undefined;
const keysLeft = () => redis.redis.keys('geard:*frames*');

test('what is sent arrives, byte for byte, and nothing of it stays in Redis', async () => {
  const parts = Array.from({ length: 300 }, (_, i) => randomBytes((i * 7919) % 60_000));
  async function* body() {
    yield* parts;
  }
  const frames = await open();
  const sent = sendFrames(workers, keyOf(frames.id), body(), noAbort);
  expect((await collect(frames.body)).equals(Buffer.concat(parts))).toBe(true);
  await sent;
  expect(await keysLeft()).toEqual([]);
});

test('an idle source is waited for, for longer than a window of signs of life lasts', async () => {
  const [beat, gone] = [10, 1_000];
  async function* body() {
    yield Buffer.from('a');
    const began = performance.now();
    await until('more signs than fit into a window have come, for longer than silence is borne', async () => {
      return (await timesSent(redis, 'xadd')) > 100 && performance.now() - began > 2 * gone;
    });
    yield Buffer.from('b');
  }
  const frames = await open(gone);
  const sent = sendFrames(workers, keyOf(frames.id), body(), noAbort, { beat });
  expect((await collect(frames.body)).toString()).toBe('ab');
  await sent;
});

test('a slow reader slows the source: neither Redis nor the sender holds more than the window', async () => {
  let taken = 0;
  async function* body() {
    for (; taken < 2_000; taken++) yield Buffer.alloc(16_384);
  }
  const frames = await open();
  const sent = sendFrames(workers, keyOf(frames.id), body(), noAbort);
  let read = 0;
  let waited = false;
  let stalled = 0;
  for await (const chunk of frames.body) {
    read += chunk.length;
    expect(await redis.redis.xlen(keyOf(frames.id))).toBeLessThanOrEqual(64 + 8 + 1);
    // Frames in Redis, those on their way in and out, and one that is being gathered, of 64 KiB and a chunk.
    expect(taken * 16_384 - read).toBeLessThanOrEqual((64 + 8 + 8 + 2) * (65_536 + 16_384));
    if (read > 40 * 16_384 && !waited) {
      waited = true;
      // A sender without room asks Redis again and again how much has not been read.
      const asked = async (times: number) => {
        const before = await timesSent(redis, 'xlen');
        await until('the sender has asked', async () => (await timesSent(redis, 'xlen')) >= before + times);
      };
      await asked(3);
      stalled = taken;
      await asked(3);
      expect(taken).toBe(stalled);
    }
  }
  expect(read).toBe(2_000 * 16_384);
  await sent;
});

test('a source of large chunks is sent in frames of at most 64 KiB', async () => {
  const parts = Array.from({ length: 12 }, (_, at) => randomBytes(1024 * 1024 + at * 1_000));
  async function* body() {
    yield* parts;
  }
  const frames = await open();
  const sent = sendFrames(workers, keyOf(frames.id), body(), noAbort);
  const read: Uint8Array[] = [];
  for await (const chunk of frames.body) {
    read.push(chunk);
    expect(await redis.redis.xlen(keyOf(frames.id))).toBeLessThanOrEqual(64 + 8 + 1);
  }
  await sent;
  expect(Math.max(...read.map(({ length }) => length))).toBe(64 * 1024);
  expect(Buffer.concat(read).equals(Buffer.concat(parts))).toBe(true);
});

test('many small pieces are gathered while there is no room, and all of them arrive', async () => {
  async function* body() {
    for (let i = 0; i < 20_000; i++) yield Buffer.from(`${i}\n`);
  }
  const frames = await open();
  const sent = sendFrames(workers, keyOf(frames.id), body(), noAbort);
  const text = (await collect(frames.body)).toString();
  expect(text).toBe(Array.from({ length: 20_000 }, (_, i) => `${i}\n`).join(''));
  await sent;
  expect(await timesSent(redis, 'xadd')).toBeLessThan(2_000);
});

test('a source that fails breaks the stream instead of ending it', async () => {
  async function* body() {
    yield Buffer.from('a');
    throw new Error('git has crashed');
  }
  const frames = await open();
  const sent = expect(sendFrames(workers, keyOf(frames.id), body(), noAbort)).rejects.toThrow(
    'git has crashed',
  );
  await expect(collect(frames.body)).rejects.toMatchObject({ code: 'host_unavailable' });
  await sent;
  expect(await keysLeft()).toEqual([]);
});

test('a sender that falls silent breaks the stream, and its key is gone', async () => {
  const frames = await open();
  await workers.call('XADD', keyOf(frames.id), 'NOMKSTREAM', '*', 'n', '0', 'd', 'half of it');
  const started = Date.now();
  await expect(collect(frames.body)).rejects.toMatchObject({ code: 'host_unavailable' });
  expect(Date.now() - started).toBeLessThan(15_000);
  expect(await keysLeft()).toEqual([]);
});

test('a frame that got lost breaks the stream', async () => {
  const frames = await open();
  for (const number of ['0', '2'])
    await workers.call('XADD', keyOf(frames.id), 'NOMKSTREAM', '*', 'n', number, 'd', 'x');
  await expect(collect(frames.body)).rejects.toThrow('a part of it got lost');
});

/** A source that never ends by itself and says when it was told to. */
function endless() {
  const stop = new AbortController();
  async function* body() {
    yield Buffer.from('a');
    await new Promise((_, reject) => stop.signal.addEventListener('abort', () => reject(stop.signal.reason)));
  }
  return { body: body(), abort: (reason: Error) => stop.abort(reason) };
}

test('a reader that goes away ends the source, also one that says nothing', async () => {
  const frames = await open();
  const source = endless();
  const sent = sendFrames(workers, keyOf(frames.id), source.body, source.abort);
  const failed = expect(sent).rejects.toBeInstanceOf(NobodyReads);
  for await (const _ of frames.body) break;
  await failed;
  expect(await keysLeft()).toEqual([]);
});

test('a reader that dies ends the source within 15 seconds and leaves no key', async () => {
  const connection = readingConnection({ url: redis.url }, log);
  const dying = failFastConnection({ url: redis.url }, log);
  await until('it is connected', () => dying.status === 'ready');
  const { answer: id, body } = await openFrames(dying, () => connection, 'h1', ask, abort.signal);
  const source = endless();
  const sent = sendFrames(workers, keyOf(id), source.body, source.abort);
  const failed = expect(sent).rejects.toBeInstanceOf(NobodyReads);
  const iterator = body[Symbol.asyncIterator]();
  await iterator.next();
  const died = Date.now();
  dying.disconnect();
  connection.disconnect();
  await failed;
  expect(Date.now() - died).toBeLessThan(15_000);
  expect(await keysLeft()).toEqual([]);
});

test('a Redis that takes nothing for a moment, as on a machine that stops, breaks no stream', async () => {
  const count = 300; // More than a window.
  async function* body() {
    for (let i = 0; i < count; i++) yield Buffer.alloc(65_536, i);
  }
  const frames = await open();
  const sent = sendFrames(workers, keyOf(frames.id), body(), noAbort);
  let read = 0;
  for await (const chunk of frames.body) {
    if (read === 0) await redis.redis.client('PAUSE', 6_000, 'WRITE');
    read += chunk.length;
  }
  expect(read).toBe(count * 65_536);
  await sent;
});

test('a Redis that goes away breaks the stream on both sides', async () => {
  const frames = await open();
  const source = endless();
  const sent = sendFrames(workers, keyOf(frames.id), source.body, source.abort);
  const broken = expect(sent).rejects.toThrow();
  const iterator = frames.body[Symbol.asyncIterator]();
  await iterator.next();
  process.kill(redis.pid, 'SIGKILL');
  await expect(iterator.next()).rejects.toThrow();
  await broken;
});

test('a reader that nobody sends to takes its key back', async () => {
  const fails = async () => {
    expect(await keysLeft()).toHaveLength(1);
    throw new Error('no such stream');
  };
  const connect = () => readingConnection({ url: redis.url }, log);
  await expect(openFrames(apis, connect, 'h1', fails, abort.signal)).rejects.toThrow('no such stream');
  expect(await keysLeft()).toEqual([]);
});
