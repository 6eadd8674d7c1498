import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { Failure, type Problem } from '../../src/jobs/errors.ts';
import type { Job } from '../../src/jobs/job.ts';
import { openFleetQueue } from '../support/fleet-queue.ts';
import { redisOfMachine, startRedis } from '../support/redis-server.ts';
import { ok } from '../support/run.ts';
import { openQueueApi, openTestApi } from '../support/test-api.ts';
import { until } from '../support/until.ts';

const silent = pino({ level: 'silent' });

test('an error that is none of Redis is not called one of the queue (house 7.13)', async () => {
  const told: string[] = [];
  const log = pino({ level: 'error' }, { write: (line: string) => void told.push(line) });
  const missing = () =>
    Promise.reject(Object.assign(new Error('connect ECONNREFUSED'), { syscall: 'connect' }));
  const { api, close } = await openQueueApi(log, (queue) => ({ ...queue, hosts: missing }));
  onTestFinished(close);
  const answer = await fetch(`${api.url}/token/__test__/hosts`);
  expect(answer.status).toBe(500);
  expect(await answer.json()).toMatchObject({ code: 'internal' });
  expect(told).toHaveLength(1);
});

test('a client is told that the disk of Redis is full, where Redis says so', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'geard-full-'));
  await ok('mount', '-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', directory);
  const socket = join(directory, 's');
  const server = await startRedis(redisOfMachine, directory, ['--port', '0', '--unixsocket', socket]);
  onTestFinished(async () => {
    await server.kill();
    await ok('umount', directory);
    await rm(directory, { recursive: true });
  });
  const queue = await openFleetQueue(`unix:${socket}`);
  onTestFinished(queue.close);
  await queue.hold('web');
  const api = await openTestApi(queue.queue, silent);
  onTestFinished(() => api.close(0));
  await writeFile(join(directory, 'ballast'), Buffer.alloc(8 * 1024 * 1024)).catch(() => undefined);
  let count = 0;
  const refused = await until('a change is refused', async () => {
    const id = (++count).toString(16).padStart(32, 'b');
    const path = `container/stopped?u=0&r=web&i=${id}`;
    const answer = await fetch(`${api.url}/token/__test__/${path}`, { method: 'PUT' });
    return answer.status === 503 && answer;
  });
  expect(await refused.json()).toMatchObject({
    code: 'queue_unavailable',
    detail: expect.stringContaining('the disk of its Redis is full'),
  });
  const read = await fetch(`${api.url}/token/__test__/container?r=web`);
  expect([read.status, ((await read.json()) as Problem).code]).toEqual([503, 'queue_unavailable']);
  await rm(join(directory, 'ballast'));
  await until('changes are accepted again', async () => {
    const path = 'container/stopped?u=0&r=web&i=1';
    return (await fetch(`${api.url}/token/__test__/${path}`, { method: 'PUT' })).status === 202;
  });
});

test('a change that was accepted is told as such, also where Redis is lost while its client waits for it', async () => {
  const lost = () => Promise.reject(new Failure('queue_unavailable', 'lost'));
  const { api, queue, close } = await openQueueApi(silent, (of) => ({ ...of, wait: lost }));
  onTestFinished(close);
  await queue.hold('web');
  const send = (method: string, path: string) =>
    fetch(`${api.url}/token/__test__/${path}`, { method, headers: { Prefer: 'wait=5' } });
  const changed = await send('PUT', 'container/stopped?u=0&r=web&i=2a');
  expect([changed.status, ((await changed.json()) as Job).state]).toEqual([202, 'queued']);
  const cancelled = await send('DELETE', 'job/2a');
  expect(cancelled.status).toBe(202);
  expect((await send('GET', 'job/2a')).status).toBe(200);
});
