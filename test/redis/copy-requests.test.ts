import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import pino from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Failure } from '../../src/jobs/errors.ts';
import { type ApiQueue, type CopyRequest, openApiQueue } from '../../src/queue/api-queue.ts';
import { openWorkerQueue, type WorkerQueue } from '../../src/queue/worker-queue.ts';
import { jobLimits } from '../support/limits.ts';
import { diskOf } from '../support/queue.ts';
import { openTestRedis, type TestRedis, timesSent } from '../support/redis.ts';
import { until } from '../support/until.ts';

const log = pino({ level: 'silent' });
const job = 'a'.repeat(32);
let redis: TestRedis;
let worker: WorkerQueue;
let fronts: ApiQueue[];
let abort: AbortController;

beforeEach(async () => {
  redis = await openTestRedis();
  const holder = diskOf('1');
  const access = { url: redis.url };
  worker = openWorkerQueue({
    ...{ redis: access, host: 'h1', holder, keepSeconds: 100, log },
  });
  fronts = [];
  abort = new AbortController();
});
afterEach(async () => {
  abort.abort();
  for (const queue of fronts) await queue.close();
  await worker.close();
  await redis.close();
});

type Body = (signal: AbortSignal, request: CopyRequest) => AsyncIterable<Uint8Array>;

/** An api that brings what it is asked for; returns what became of each, and what breaks it off. */
async function openApi(body: Body) {
  const limits = jobLimits();
  const queue = openApiQueue({ redis: { url: redis.url }, limits, keepSeconds: 100, expected: [], log });
  fronts.push(queue);
  const outcomes: Promise<unknown>[] = [];
  const stop = new AbortController();
  queue.onCopyRequest((request) => {
    const outcome = queue.sendCopy(request, (signal) => body(signal, request), stop.signal);
    outcome.catch(() => undefined);
    outcomes.push(outcome);
  });
  // News, signs of life and fetches of all hosts.
  const listening = async () => String(await redis.redis.client('LIST')).split(' psub=3 ').length - 1;
  await until('it listens', async () => (await listening()) >= fronts.length);
  await until('it can send', () =>
    queue
      .ping()
      .then(() => true)
      .catch(() => false),
  );
  return { queue, outcomes, stop };
}

async function collect(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const framesLeft = () => redis.redis.keys('geard:*frames*');
const ask = () => worker.requestCopy(job, abort.signal);

test('what a worker asks for comes from one api, byte for byte, however many hear it', async () => {
  const parts = Array.from({ length: 200 }, (_, i) => randomBytes((i * 7919) % 60_000));
  const asked: CopyRequest[] = [];
  async function* body(_: AbortSignal, request: CopyRequest) {
    asked.push(request);
    yield* parts;
  }
  const apis = [await openApi(body), await openApi(body), await openApi(body)];
  expect((await collect(await ask())).equals(Buffer.concat(parts))).toBe(true);
  const outcomes = await Promise.all(apis.map(({ outcomes: [one] }) => one));
  expect(outcomes.sort()).toEqual([false, false, true]);
  expect(asked).toEqual([{ host: 'h1', job, frames: expect.any(String) }]);
  expect(await framesLeft()).toEqual([]);
});

test('an api that dies in the middle breaks the stream, and another one brings it whole', async () => {
  const whole = randomBytes(500_000);
  const first = await openApi(async function* (signal) {
    yield whole.subarray(0, 1_000);
    await once(signal, 'abort');
  });
  const body = await ask();
  const iterator = body[Symbol.asyncIterator]();
  expect((await iterator.next()).value).toHaveLength(1_000);
  await first.queue.close();
  fronts = [];
  await expect(iterator.next()).rejects.toMatchObject({ code: 'host_unavailable' });
  expect(await framesLeft()).toEqual([]);
  await openApi(async function* () {
    yield whole;
  });
  expect((await collect(await ask())).equals(whole)).toBe(true);
});

test('an api that is stopped tells the worker that it breaks off what it sends', async () => {
  const api = await openApi(async function* (signal) {
    yield Buffer.from('a');
    await once(signal, 'abort');
    await redis.redis.del('a stream of its own'); // As a relayed source does when it is left.
    throw signal.reason;
  });
  const iterator = (await ask())[Symbol.asyncIterator]();
  await iterator.next();
  api.stop.abort(new Error('the api is stopping'));
  await api.queue.close();
  fronts = [];
  // Not only that no more data arrives, which takes ten seconds to notice.
  await expect(iterator.next()).rejects.toThrow('its source failed');
});

test('where no api is there the stream is broken, and nothing of it stays', async () => {
  const started = Date.now();
  await expect(collect(await ask())).rejects.toMatchObject({ code: 'host_unavailable' });
  expect(Date.now() - started).toBeLessThan(15_000); // As docs/streams.md says of a relayed stream.
  expect(await framesLeft()).toEqual([]);
});

test('an api that takes its time before the first byte is waited for', async () => {
  await openApi(async function* () {
    const before = await timesSent(redis, 'xadd');
    await until('it has said that it lives', async () => (await timesSent(redis, 'xadd')) >= before + 3);
    yield Buffer.from('at last');
  });
  expect((await collect(await ask())).toString()).toBe('at last');
});

test('why nothing can be brought is told as it is where it is part of the contract', async () => {
  let why: Error = new Failure('repository_not_found', 'there is no repository site');
  // biome-ignore lint/correctness/useYield: it fails before it has anything.
  await openApi(async function* () {
    throw why;
  });
  await expect(collect(await ask())).rejects.toMatchObject({
    code: 'repository_not_found',
    message: 'there is no repository site',
  });
  why = new Error('a secret of the api');
  const failed = collect(await ask());
  await expect(failed).rejects.toMatchObject({ code: 'host_unavailable' });
  await expect(failed).rejects.not.toThrow('secret');
});

test('a worker that no longer wants it ends the source', async () => {
  let ended: unknown;
  const api = await openApi(async function* (signal) {
    yield Buffer.from('a');
    await once(signal, 'abort');
    ended = signal.reason;
  });
  for await (const _ of await ask()) break;
  await until('the source has ended', () => ended !== undefined, 5_000);
  await expect(api.outcomes[0]).rejects.toThrow('no longer has a reader');
  expect(await framesLeft()).toEqual([]);
});

test('a stranger on the channel cannot have anything sent to keys of another host, or of no host', async () => {
  const asked: CopyRequest[] = [];
  // biome-ignore lint/correctness/useYield: it has nothing.
  await openApi(async function* (_, request) {
    asked.push(request);
  });
  const frames = crypto.randomUUID();
  for (const [channel, text] of [
    ['geard:{h1}:fetch', '{}'],
    ['geard:{h1}:fetch', 'x'],
    ['geard:{h1}:fetch', JSON.stringify({ job, frames: '../x' })],
    ['geard:{h1}:fetch', JSON.stringify({ job: '*', frames })],
    ['geard:{H 1}:fetch', JSON.stringify({ job, frames })],
    ['geard:{h1}:fetch', JSON.stringify({ job, frames, host: 'h2' })],
    ['geard:{h1}:fetch', JSON.stringify({ job, frames })],
  ] as const)
    await redis.redis.publish(channel, text);
  expect((await collect(await ask())).toString()).toBe('');
  expect(asked).toHaveLength(1);
  expect(await framesLeft()).toEqual([]);
});
