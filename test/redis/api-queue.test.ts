import pino from 'pino';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import type { Command } from '../../src/jobs/registry.ts';
import { lostDeliveries } from '../../src/queue/accept/accept.ts';
import type { JobSubmission } from '../../src/queue/accept/submission.ts';
import { type ApiQueue, openApiQueue } from '../../src/queue/api-queue.ts';
import { insertEntryIfAbsent } from '../../src/queue/directory/entries.ts';
import { sweepDirectory } from '../../src/queue/directory/sweep.ts';
import { channels, keys, queueName } from '../../src/queue/redis/keys.ts';
import { openWorkerQueue, type WorkerQueue } from '../../src/queue/worker-queue.ts';
import { refusal } from '../support/fleet-queue.ts';
import { jobLimits } from '../support/limits.ts';
import { anyOf, connected, diskOf, hostNamed, to } from '../support/queue.ts';
import { openTestRedis, type TestRedis } from '../support/redis.ts';
import { until } from '../support/until.ts';

const log = pino({ level: 'silent' });
let redis: TestRedis;
let queue: ApiQueue;
let worker: WorkerQueue;

beforeEach(async () => {
  redis = await openTestRedis();
  await redis.redis.sadd(keys.hosts, 'h1');
  queue = openApiQueue({
    redis: { url: redis.url },
    limits: jobLimits({ maxJobs: 60, maxJobsPerGear: 55 }),
    keepSeconds: 1000,
    expected: ['h1'],
    log,
  });
  worker = openWorkerQueue({
    ...{ redis: { url: redis.url }, host: 'h1', holder: diskOf('1') },
    keepSeconds: 1000,
    log,
  });
  await connected(queue);
});
afterEach(async () => {
  await worker.stopReceiving();
  await worker.close();
  await queue.close();
  await redis.close();
});

let count = 0;
const id = () => (++count).toString(16).padStart(32, '0');
const stop = (resource: string): Command => ({ type: 'container.stop', params: { resource } });
const request = (command: Command, more: Partial<JobSubmission> = {}): JobSubmission => ({
  id: id(),
  command,
  fingerprint: 'f',
  user: '0',
  tenant: '0',
  expires: 86_400,
  seal: (host) => `sealed for ${host}`,
  ...more,
});
const holds = async (resource: string, host = 'h1') => {
  await insertEntryIfAbsent(redis.redis, 'gear', resource, host);
  await redis.redis.sadd(keys.held(host, 'gear'), resource);
};

test('a refused request leaves no record, no place in a line and no claim to a name', async () => {
  await holds('b', 'h2');
  const wanted = request(stop('b'));
  expect(await queue.accept(wanted, to('h1'))).toEqual({ verdict: 'elsewhere', host: 'h2' });
  expect(await queue.accept(request(stop('nobody')), to('h1'))).toEqual({ verdict: 'missing' });
  expect(await queue.job(wanted.id)).toBeNull();
  expect(await worker.records.open()).toEqual([]);
  expect(await redis.redis.hkeys(keys.holders('gear'))).toEqual(['b']);
});

test('a full line and a full host refuse more', async () => {
  await holds('a');
  await holds('b');
  for (let i = 0; i < 55; i++) await queue.accept(request(stop('a')), to('h1'));
  expect(await queue.accept(request(stop('a')), to('h1'))).toEqual({
    verdict: 'full',
    limit: 'maxJobsPerGear',
  });
  for (let i = 0; i < 5; i++) await queue.accept(request(stop('b')), to('h1'));
  expect(await queue.accept(request(stop('b')), to('h1'))).toEqual({ verdict: 'full', limit: 'maxJobs' });
});

test('only the first in line begins, and its end lets the next one begin', async () => {
  await holds('a');
  const [first, second] = [request(stop('a')), request(stop('a'))];
  for (const one of [first, second]) await queue.accept(one, to('h1'));
  const records = await Promise.all([first, second].map(({ id }) => worker.records.read(id)));
  const [one, two] = records as [NonNullable<(typeof records)[0]>, NonNullable<(typeof records)[0]>];
  expect(await worker.records.begin(two)).toEqual({ turn: 'behind', first: first.id });
  expect((await worker.records.begin(one)).turn).toBe('begun');
  expect(await worker.records.finish(one, { state: 'succeeded', result: 1 }, true)).toBe(second.id);
  expect((await worker.records.begin(two)).turn).toBe('begun');
  expect((await worker.records.begin(one)).turn).toBe('over');
});

test('a finished job keeps its outcome, loses its request and is kept for the time asked for', async () => {
  await holds('a');
  const one = request(stop('a'));
  await queue.accept(one, to('h1'));
  const waiting = queue.wait(one.id, 10_000);
  const record = await worker.records.read(one.id);
  if (!record) throw new Error('no record');
  await worker.records.begin(record);
  await worker.records.finish(record, { state: 'succeeded', result: { a: 1 } }, true);
  await worker.records.finish(record, { state: 'cancelled' }, true);
  const finished = await waiting;
  expect(finished?.job).toMatchObject({ state: 'succeeded', result: { a: 1 }, attempts: 1 });
  expect(record.sealed).toBe('sealed for h1');
  expect(finished?.sealed).toBe('');
  for (const key of [keys.job('h1', one.id), keys.run('h1', one.id)])
    expect(await redis.redis.ttl(key)).toBeGreaterThan(990);
});

test('waiting ends when the time is up, with the job as it is', async () => {
  await holds('a');
  const one = request(stop('a'));
  await queue.accept(one, to('h1'));
  const started = Date.now();
  expect((await queue.wait(one.id, 300))?.job.state).toBe('queued');
  expect(Date.now() - started).toBeLessThan(1_500);
});

test('jobs are listed newest first, by filter, and page on after an id', async () => {
  await holds('a');
  await holds('b');
  const all: string[] = [];
  for (let i = 0; i < 10; i++) {
    const one = request(stop(i % 2 ? 'a' : 'b'), { user: String(i % 5) });
    all.unshift(one.id);
    await queue.accept(one, to('h1'));
  }
  const ids = async (...args: Parameters<ApiQueue['listJobs']>) =>
    (await queue.listJobs(...args)).jobs.map((job) => job.id);
  expect(await ids({}, 100)).toEqual(all);
  expect(await ids({}, 3, all[3])).toEqual(all.slice(4, 7));
  expect(await ids({ r: 'a', u: '1' }, 100)).toEqual([all[8]]);
  await redis.redis.del(keys.job('h1', all[0] as string));
  expect(await ids({}, 2)).toEqual(all.slice(1, 3));
});

test('a delivery reaches the host once for each accepted job, and questions are answered', async () => {
  await holds('a');
  const delivered: string[] = [];
  worker.open(async (job) => void delivered.push(job), {
    'container.read': async () => Promise.reject(new Error('secret')),
    'container.list': async () => [],
    'environment.read': async () => 'sealed',
    'drift.read': async () => Promise.reject(new Error('secret')),
    'stream.open': async () => ({ head: {} }),
    'job.cancel': async () => ({ aborting: true }),
  });
  const sent = Array.from({ length: 20 }, () => request(stop('a')));
  for (const one of sent) await queue.accept(one, to('h1'));
  await until('all are delivered', () => delivered.length === 20);
  // In whatever order they come: the line decides who begins.
  expect(delivered.sort()).toEqual(sent.map((one) => one.id));
  expect(await queue.ask('h1', 'container.list', 'sealed', { names: [] })).toEqual([]);
  await expect(queue.ask('h1', 'container.read', 'sealed', {})).rejects.toThrow(
    'the worker could not answer',
  );
  await expect(queue.ask('h2', 'container.list', 'sealed', { names: [] }, 100)).rejects.toMatchObject({
    code: 'host_unavailable',
  });
});

test('while Redis is away every call fails within 2 seconds as queue_unavailable, and a late one has no effect', async () => {
  await holds('a');
  await queue.hosts(); // Which waits until the directory is settled.
  process.kill(redis.pid, 'SIGSTOP');
  const one = request(stop('a'));
  const refused = await refusal(() => queue.accept(one, to('h1')));
  expect(refused).toEqual({ code: 'queue_unavailable', isLate: false });
  process.kill(redis.pid, 'SIGCONT');
  await connected(queue);
  expect(await queue.job(one.id)).toBeNull();
  expect((await queue.accept(one, to('h1'))).verdict).toBe('accepted');
});

test('the directory follows what is on the disk of a host, and leaves what others hold', async () => {
  await holds('gone');
  await holds('theirs', 'h2');
  await worker.announceHeld('gear', async () => ['mine', 'theirs']);
  await worker.announceHost(hostNamed('h1'), 'held');
  await until('mine is known', async () => (await queue.findHolder('gear', 'mine')) === 'h1');
  expect(await queue.findHolder('gear', 'theirs')).toBe('h2');
  expect(await queue.findHolder('gear', 'gone')).toBeNull();
  expect((await queue.hosts()).map(({ name }) => name)).toEqual(['h1']);
});

test('an answer counts only from the host that was asked', async () => {
  const spoof = redis.redis.duplicate();
  const heard: string[] = [];
  const asks = async () => JSON.parse((await redis.redis.lindex(keys.asks('h1'), 0)) ?? '{}');
  const answer = queue.ask('h1', 'container.list', 'sealed', { names: [] }, 1_000);
  answer.then(
    (all) => heard.push(JSON.stringify(all)),
    () => heard.push('nobody'),
  );
  await until('the question is asked', async () => (await asks()).id !== undefined);
  const { id, api } = await asks();
  await spoof.publish(channels.replies('h2', api), JSON.stringify({ id, answer: ['forged'] }));
  await until('somebody has answered or nobody', () => heard.length > 0);
  spoof.disconnect();
  expect(heard).toEqual(['nobody']);
});

test('an id whose record has expired while its host was away leaves the queue; one with a record stays', async () => {
  await holds('a');
  const [expired, kept] = [request(stop('a')), request(stop('a'))];
  for (const one of [expired, kept]) await queue.accept(one, to('h1'));
  await redis.redis.del(keys.job('h1', expired.id));
  for (const { id } of [expired, kept]) await worker.records.forget(id);
  expect(await worker.records.open()).toEqual([kept.id]);
  // In its line it is passed over by whoever comes after it.
  const record = await worker.records.read(kept.id);
  if (!record) throw new Error('no record');
  expect(await worker.records.begin(record)).toEqual({ turn: 'behind', first: expired.id });
  await worker.records.drop({ ...record.job, id: expired.id });
  expect((await worker.records.begin(record)).turn).toBe('begun');
});

/** Cancels a job by an api. */
async function cancel(jobId: string, by = queue) {
  const record = await by.job(jobId);
  if (!record) throw new Error('no record');
  return by.cancel(record, 'sealed');
}

test('a cancelled job gives back its place in the line of its gear and on the host, before any worker looks', async () => {
  await holds('a');
  for (let i = 0; i < 65; i++) {
    const one = request(stop('a'));
    expect((await queue.accept(one, to('h1'))).verdict).toBe('accepted');
    expect(await cancel(one.id)).toBe('queued');
  }
  expect(await worker.records.open()).toEqual([]);
  expect(await redis.redis.zcard(keys.line('h1', 'gear', 'a'))).toBe(0);
});

test('a name that was never installed does not stick to a host where its job was cancelled', async () => {
  const install = (resource: string) =>
    request({
      type: 'container.install',
      params: { resource, spec: { ports: [] }, start: true, createOnly: false },
    } as never);
  const first = install('new');
  expect(await queue.accept(first, anyOf('h2'))).toMatchObject({ job: { host: 'h2' } });
  await cancel(first.id);
  await until('the name is free', async () => {
    await sweepDirectory(redis.redis);
    return (await redis.redis.hlen(keys.holders('gear'))) === 0;
  });
  expect(await queue.accept(install('new'), anyOf('h1'))).toMatchObject({ job: { host: 'h1' } });
});

test('what a worker has written about a job expires, also when it never hears of its end', async () => {
  await holds('a');
  const one = request(stop('a'));
  await queue.accept(one, to('h1'));
  const life = () => redis.redis.ttl(keys.run('h1', one.id));
  expect(await worker.records.take(one.id)).toBe('taken');
  expect(await life()).toBeGreaterThan(86_400);
  await redis.redis.persist(keys.run('h1', one.id));
  const record = await worker.records.read(one.id);
  expect(record && (await worker.records.begin(record)).turn).toBe('begun');
  expect(await life()).toBeGreaterThan(86_400);
});

test('what a worker has written about a job that an api ended goes with the record of the job', async () => {
  await holds('a');
  const [cancelled, expired, lost] = [request(stop('a')), request(stop('a')), request(stop('a'))];
  for (const one of [cancelled, expired, lost]) {
    await queue.accept(one, to('h1'));
    expect(await worker.records.take(one.id)).toBe('taken');
  }
  const { job } = (await worker.records.read(cancelled.id)) ?? {};
  if (!job) throw new Error('no record');
  expect(await cancel(cancelled.id)).toBe('queued');
  await worker.records.drop(job); // As the worker does that finds it over.
  const life = await redis.redis.ttl(keys.run('h1', cancelled.id));
  expect(life).toBeGreaterThan(0);
  expect(life).toBeLessThanOrEqual(1_000);
  // An id that is used again does not find what became of its first job.
  for (const { id } of [expired, lost]) await redis.redis.del(keys.job('h1', id));
  await worker.records.drop({ ...job, id: expired.id });
  await worker.records.forget(lost.id);
  for (const { id } of [expired, lost]) expect(await redis.redis.exists(keys.run('h1', id))).toBe(0);
});

test('a job that is dropped by mistake keeps what its worker has written', async () => {
  await holds('a');
  const one = request(stop('a'));
  await queue.accept(one, to('h1'));
  await worker.records.take(one.id);
  const record = await worker.records.read(one.id);
  if (!record) throw new Error('no record');
  await worker.records.drop(record.job);
  await worker.records.forget(one.id);
  expect((await worker.records.read(one.id))?.takenAt).not.toBeNull();
});

test('nothing is delivered to a host that is offline, which finds its jobs when it comes back', async () => {
  await holds('a');
  const offline = { ...to('h1'), gone: ['h1'] };
  const one = request(stop('a'));
  expect((await queue.accept(one, offline)).verdict).toBe('accepted');
  expect((await queue.accept(request(stop('nobody')), offline)).verdict).toBe('missing');
  expect(await redis.redis.keys(`${keys.queuePrefix('h1')}:${queueName}:*`)).toEqual([]);
  expect(await worker.records.open()).toEqual([one.id]);
  expect((await queue.accept(request(stop('a')), to('h1'))).verdict).toBe('accepted');
  expect(await redis.redis.keys(`${keys.queuePrefix('h1')}:${queueName}:*`)).not.toEqual([]);
});

/** An api whose user in Redis lacks one command. */
async function apiWithout(command: string): Promise<ApiQueue> {
  await redis.redis.call('ACL', 'SETUSER', 'lacking', 'on', 'nopass', '~*', '&*', '+@all', `-${command}`);
  const lacking = openApiQueue({
    redis: { url: redis.url, username: 'lacking', password: 'any' },
    limits: jobLimits(),
    keepSeconds: 1_000,
    expected: ['h1'],
    log,
  });
  onTestFinished(() => lacking.close());
  await connected(lacking);
  return lacking;
}

test('a job whose delivery cannot be sent is accepted all the same, and the loss is counted', async () => {
  await holds('a');
  const mute = await apiWithout('lpush');
  const lost = () => [...lostDeliveries.samples()][0]?.[2] ?? 0;
  const before = lost();
  const one = request(stop('a'));
  expect((await mute.accept(one, to('h1'))).verdict).toBe('accepted');
  expect(lost()).toBe(before + 1);
  expect(await worker.records.open()).toEqual([one.id]);
});

test('an api with older permissions cancels all the same, and leaves the places of the job to the worker', async () => {
  await holds('a');
  const older = await apiWithout('zrem');
  const one = request(stop('a'));
  await queue.accept(one, to('h1'));
  expect(await cancel(one.id, older)).toBe('queued');
  expect((await queue.job(one.id))?.job.state).toBe('cancelled');
  expect(await worker.records.open()).toEqual([one.id]);
});

test('a job that had begun, and whose host is removed, keeps its place for the worker that may come back', async () => {
  await holds('a');
  const one = request(stop('a'));
  await queue.accept(one, to('h1'));
  const record = await worker.records.read(one.id);
  if (record) await worker.records.begin(record);
  await worker.records.handBack(one.id); // As a worker does that stops.
  expect(await queue.removeHost('h1')).toMatchObject({ jobs: 1 });
  expect(await worker.records.open()).toEqual([one.id]);
  expect(await redis.redis.zrange(keys.line('h1', 'gear', 'a'), '0', '-1')).toEqual([one.id]);
});
