import pino from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { keys } from '../../src/queue/redis/keys.ts';
import { openWorkerQueue, type WorkerQueue } from '../../src/queue/worker-queue.ts';
import { effectsOf } from '../support/failpoints.ts';
import { diskOf } from '../support/queue.ts';
import { openTestRedis, type TestRedis } from '../support/redis.ts';

const log = pino({ level: 'silent' });
const id = 'a'.repeat(32);
let redis: TestRedis;
let worker: WorkerQueue;

beforeEach(async () => {
  redis = await openTestRedis();
  worker = openWorkerQueue({
    redis: { url: redis.url },
    host: 'h1',
    holder: diskOf('1'),
    keepSeconds: 1000,
    log,
  });
  const createdAt = new Date().toISOString();
  const job = { type: 'container.stop', resource: 'web', host: 'h1', user: '0', createdAt, fingerprint: 'f' };
  await redis.redis.hset(keys.job('h1', id), job);
});
afterEach(async () => {
  await worker.close();
  await redis.close();
});

const read = async () => {
  const record = await worker.records.read(id);
  if (!record) throw new Error('there is no record');
  return record;
};
/** As a worker begins it that dies then. */
const begin = async () => worker.records.begin(await read());

test('a retry is another attempt and no crash, a worker that died in the middle is both (house 7.7)', async () => {
  await begin();
  for (let i = 0; i < 17; i++) await worker.records.retried(id);
  expect(await read()).toMatchObject({ crashes: 1, job: { attempts: 18, state: 'running' } });
  await begin();
  expect(await read()).toMatchObject({ crashes: 2, job: { attempts: 19 } });
});

test('a job that was handed back has not crashed its worker, however often', async () => {
  for (let i = 0; i < 30; i++) {
    await begin();
    await worker.records.handBack(id);
  }
  expect(await read()).toMatchObject({ crashes: 0, job: { attempts: 30, state: 'queued' } });
});

test('a job that is over is not handed back', async () => {
  await begin();
  await worker.records.finish(await read(), { state: 'succeeded', result: {} }, true);
  await worker.records.handBack(id);
  expect(await read()).toMatchObject({ job: { state: 'succeeded' } });
});

test('a test can crash the worker at every change that it makes to the record of a job', async () => {
  const { records } = worker;
  const changes = await effectsOf(async () => {
    await begin();
    await records.progress(id, { step: 'pull', message: 'pulling' });
    await records.retried(id);
    const record = await read();
    await records.finish(record, { state: 'succeeded', result: {} }, true);
    await records.drop(record.job);
  });
  expect(changes).toEqual(['begin', 'progress', 'retried', 'finish', 'drop'].map((name) => `redis.${name}`));
});
