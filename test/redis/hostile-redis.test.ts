import pino from 'pino';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { Failure } from '../../src/jobs/errors.ts';
import { insertEntryIfAbsent } from '../../src/queue/directory/entries.ts';
import { createHostsReader, readHost } from '../../src/queue/directory/hosts.ts';
import { sweepDirectory } from '../../src/queue/directory/sweep.ts';
import type { JobFilter } from '../../src/queue/records/list-jobs.ts';
import { readEpoch } from '../../src/queue/redis/epoch.ts';
import { keys } from '../../src/queue/redis/keys.ts';
import { openWorkerQueue, type QueryHandlers } from '../../src/queue/worker-queue.ts';
import { none } from '../support/no-drift.ts';
import { diskOf, hostNamed } from '../support/queue.ts';
import { openTestRedis } from '../support/redis.ts';
import { openQueueApi, type QueueApi } from '../support/test-api.ts';
import { until } from '../support/until.ts';

/** Somebody who may write into Redis, as the worker of one host may, and what clients of the api get to see of it. */

let opened: QueueApi;
let redis: QueueApi['redis'];
let queue: QueueApi['queue'];
let api: QueueApi['api'];
beforeAll(async () => {
  opened = await openQueueApi();
  ({ redis, queue, api } = opened);
  await queue.hold('web');
});
afterAll(() => opened.close());

let count = 0;
const ask = (path: string, options?: RequestInit) => fetch(`${api.url}/token/__test__/${path}`, options);
// biome-ignore lint/suspicious/noExplicitAny: answers are looked at as they come.
const json = async (answer: Response | Promise<Response>): Promise<any> => (await answer).json();
const stop = (id: string, headers: Record<string, string> = { Prefer: 'wait=1' }) =>
  ask(`container/stopped?u=0&r=web&i=${id}`, { method: 'PUT', headers });

/** A job of which the record was altered once it was accepted. */
async function altered(run: Record<string, string>, job: Record<string, string> = {}): Promise<string> {
  const id = (++count).toString(16).padStart(32, 'a');
  expect((await stop(id, {})).status).toBe(202);
  await redis.redis.hset(keys.run('h1', id), { attempts: '1', ...run });
  await redis.redis.hset(keys.job('h1', id), { id, ...job });
  return id;
}

const failedWith = (error: unknown) =>
  altered({ state: 'failed', finishedAt: new Date().toISOString(), error: JSON.stringify(error) });

test.each([
  101,
  200,
  204,
  304,
  99,
  1_000,
  '500',
])('a job that has failed with the status %s in Redis is answered with the status of its code', async (status) => {
  const forged = { type: 'x', title: 'x', status, code: 'port_taken', detail: 'taken', more: 'x' };
  const id = await failedWith(forged);
  const answer = await stop(id);
  expect(answer.status).toBe(409);
  expect(await json(answer)).toEqual({
    type: 'urn:geard:port_taken',
    title: 'An external port is taken',
    status: 409,
    code: 'port_taken',
    detail: 'taken',
    job: id,
    host: 'h1',
  });
});

test.each([
  { code: 'port_taken\r\nX: y', detail: 'x' },
  { code: ['port_taken'], detail: { length: 1 } },
  { code: '__proto__', detail: 'x' },
  'port_taken',
  null,
])('a job that has failed with the error %j in Redis has failed as internal (security L9)', async (error) => {
  const answer = await stop(await failedWith(error));
  expect(answer.status).toBe(500);
  const { code, detail } = await json(answer);
  expect(code).toBe('internal');
  expect(typeof detail).toBe('string');
});

test('control characters in an error, a result and a line of progress reach nobody (security L9, house 7.12)', async () => {
  const failed = await failedWith({ code: 'start_failed', detail: 'a\x1b[2Jb\r\n\tc\x9bd\0' });
  const { detail } = await json(stop(failed));
  expect(detail).toBe('a[2Jb\n\tcd');
  const done = await altered({ state: 'succeeded', result: JSON.stringify({ unit: 'x\x1b]0;title\x07\r' }) });
  const line = { time: new Date().toISOString(), step: 'a\x1bc', message: 'one\r\ntwo\x9b' };
  await redis.redis.xadd(keys.progress('h1', done), '*', 'line', JSON.stringify(line));
  for (const format of ['text/plain', 'text/event-stream', 'application/x-ndjson']) {
    for (const id of [failed, done]) {
      const log = await (await ask(`job/${id}/log`, { headers: { Accept: format } })).text();
      expect(log).toMatch(/failed|succeeded/);
      expect(log).not.toMatch(/[^\P{Cc}\n\t]/u);
    }
  }
  expect(await (await ask(`job/${done}/log`)).text()).toContain(' ac: one two\n');
});

test.each([
  ['progress', { state: 'running', progress: '"half"' }, { state: 'running', progress: null }],
  ['progress', { state: 'running', progress: '{"step":1}' }, { state: 'running', progress: null }],
  ['result', { state: 'succeeded', result: '{"a":' }, { state: 'succeeded', result: null }],
  ['attempts', { state: 'running', attempts: '1e400' }, { state: 'running', attempts: 0 }],
  ['times', { state: 'running', startedAt: '<b>' }, { state: 'running', startedAt: null }],
])('%s in Redis that make no sense count for nothing: %j', async (_what, run, shown) => {
  const answer = await ask(`job/${await altered(run)}`);
  expect(await json(answer)).toMatchObject(shown);
});

test('a result in Redis that is larger than any of ours is left out (house 7.12)', async () => {
  const id = await altered({ state: 'succeeded', result: JSON.stringify('x'.repeat(2 ** 20)) });
  expect(await json(ask(`job/${id}`))).toMatchObject({ state: 'succeeded', result: null });
});

test.each([
  ['state', { state: 'done' }, {}],
  ['resource', {}, { resource: 'web\r\n' }],
  ['time of acceptance', {}, { createdAt: 'yesterday' }],
])('a job whose %s cannot be read has failed, is listed so, and is dropped by its worker', async (_what, run, job) => {
  const id = await altered(run, job);
  const expected = {
    state: 'failed',
    error: { code: 'internal', detail: 'the record of this job cannot be read' },
  };
  expect(await json(ask(`job/${id}`))).toMatchObject(expected);
  const { jobs } = await json(ask('jobs'));
  expect(jobs.find((one: { id: string }) => one.id === id)).toMatchObject(expected);
  const record = await queue.worker.records.read(id);
  if (!record) throw new Error('no record');
  await queue.worker.records.drop(record.job);
  expect(await queue.worker.records.open()).not.toContain(id);
});

test.each([
  'unreadable',
  'Infinity x',
  '9e300 x',
])('an epoch %j, which has no readable time, has just begun: hosts are waited for, and not for ever', async (epoch) => {
  const other = await openTestRedis();
  onTestFinished(() => other.close());
  await other.redis.set(keys.epoch, epoch);
  expect(await readEpoch(other.redis, { now: () => Date.now() })).toEqual({ name: epoch, age: 0 });
});

/** A gear as a host lists it. */
const gearOf = (host: string, resource: string, image = 'image') => ({
  ...{ resource, host, unit: `gear-${resource}.service`, image, ports: [], enabled: true },
  systemd: { active: 'active', sub: 'running' },
});

/** Has a host join that holds one gear, and that answers every list of gears with this. */
const join = (fleet: QueueApi, host: string, held: string, list: unknown) =>
  joinWith(fleet, host, held, { 'container.list': async () => list });

async function joinWith({ redis, queue }: QueueApi, host: string, held: string, answers: object) {
  const worker = openWorkerQueue({
    ...{ redis: { url: redis.url }, host, holder: diskOf(host) },
    ...{ keepSeconds: 1_000, log: pino({ level: 'silent' }) },
  });
  onTestFinished(() => worker.close());
  worker.open(async () => undefined, answers as QueryHandlers);
  await worker.announceHeld('gear', async () => [held]);
  await worker.announceHost(hostNamed(host), 'held');
  await until(`${held} is known`, async () => (await queue.queue.findHolder('gear', held)) === host);
  await until(`${host} is known`, async () => (await queue.queue.hosts()).some(({ name }) => name === host));
}

const notKnown = { image: null, ports: null, enabled: null, systemd: null };

test.each<[string, unknown, object]>([
  ['null in it', [null], notKnown],
  ['no list', { length: 1 }, notKnown],
  ['a gear without a state', [{ resource: 'b', host: 'h3', unit: 'x' }], notKnown],
  ['a gear that it was not asked for', [gearOf('h2', 'a', 'forged'), gearOf('h3', 'b')], {}],
  ['a gear of another host', [gearOf('h2', 'b')], {}],
])('a host that answers a list of gears with %s speaks only for its own', async (_, list, shown) => {
  const fleet = await openQueueApi();
  onTestFinished(() => fleet.close());
  await join(fleet, 'h2', 'a', [gearOf('h2', 'a')]);
  await join(fleet, 'h3', 'b', list);
  const answer = await fetch(`${fleet.api.url}/token/__test__/containers`);
  expect(answer.status).toBe(200);
  expect((await json(answer)).containers).toEqual([gearOf('h2', 'a'), { ...gearOf('h3', 'b'), ...shown }]);
});

test("a host lists no job of another host, and hides none of another's in its lists", async () => {
  const id = await altered({ state: 'running' });
  const order = Number(await redis.redis.zscore(keys.jobs('h1'), id));
  const listed = async () => {
    const { jobs } = await json(ask('jobs?limit=1000'));
    return jobs.filter((one: { id: string }) => one.id === id).map(({ host }: { host: string }) => host);
  };
  const job = await redis.redis.hgetall(keys.job('h1', id));
  await redis.redis.sadd(keys.hosts, 'h2');
  await redis.redis.zadd(keys.jobs('h2'), order + 1, id);
  await redis.redis.hset(keys.job('h2', id), { ...job, state: 'succeeded' });
  expect(await listed()).toEqual(['h1']);
  await redis.redis.zadd(keys.jobs('h2'), order + 1, id);
  await redis.redis.hset(keys.job('h2', id), { ...job, host: 'h2' });
  expect((await listed()).sort()).toEqual(['h1', 'h2']);
  await redis.redis.srem(keys.hosts, 'h2');
});

test('a job that says that it is on another host than its id has failed, on the host of its id', async () => {
  const id = await altered({ state: 'running' }, { host: 'h2' });
  expect(await json(ask(`job/${id}`))).toMatchObject({
    ...{ host: 'h1', state: 'failed' },
    error: { code: 'internal', detail: 'the record of this job cannot be read' },
  });
  const record = await queue.worker.records.read(id);
  if (!record) throw new Error('no record');
  await queue.worker.records.drop(record.job);
});

test('the drift of a host is null where it does not answer, and its reason is told where it refuses', async () => {
  const fleet = await openQueueApi();
  onTestFinished(() => fleet.close());
  const refuses = async () => Promise.reject(new Failure('internal', 'the worker has no systemd'));
  await joinWith(fleet, 'h2', 'a', { 'drift.read': refuses });
  await joinWith(fleet, 'h3', 'b', { 'drift.read': async () => null });
  const driftOf = async (query: string) => {
    const answer = await fetch(`${fleet.api.url}/token/__test__/drift${query}`);
    return [answer.status, await json(answer)];
  };
  expect(await driftOf('?h=h2')).toMatchObject([500, { detail: 'the worker has no systemd' }]);
  expect(await driftOf('?h=h3')).toEqual([200, { hosts: [{ host: 'h3', drift: null }] }]);
  const refusing = ['h2', 'h3'].map((host) => ({ host, drift: null }));
  expect(await driftOf('')).toEqual([200, { hosts: [{ host: 'h1', drift: none }, ...refusing] }]);
});

/** What a worker may write into the keys of its own host, h2, where other types belong. */
const malformed: [string, (redis: QueueApi['redis']['redis']) => Promise<unknown>][] = [
  ['a list of jobs that is none', (redis) => redis.set(keys.jobs('h2'), 'x')],
  [
    'lists of a user, a state and names that are none',
    (redis) =>
      redis.mset(
        ...['user:0', 'state:failed'].flatMap((list) => [`${keys.jobs('h2')}:${list}`, 'x']),
        ...[keys.open('h2'), 'x', keys.resources('h2'), 'x'],
      ),
  ],
  [
    'a job that is none',
    async (redis) => {
      await redis.set(keys.job('h2', 'a'.repeat(32)), 'x');
      await redis.zadd(keys.jobs('h2'), 1, 'a'.repeat(32));
    },
  ],
  [
    'a state of a job that is none',
    async (redis) => {
      const job = await redis.hgetall(
        keys.job('h1', (await redis.zrange(keys.jobs('h1'), '0', '0'))[0] ?? ''),
      );
      await redis.hset(keys.job('h2', 'a'.repeat(32)), { ...job, host: 'h2' });
      await redis.set(keys.run('h2', 'a'.repeat(32)), 'x');
      await redis.zadd(keys.jobs('h2'), 1, 'a'.repeat(32));
    },
  ],
];

/** A fleet of h1, which has jobs, and h2, whose worker is hostile. */
async function openHostileFleet(): Promise<QueueApi & { ids: string[] }> {
  const fleet = await openQueueApi();
  onTestFinished(() => fleet.close());
  await fleet.queue.hold('web');
  await fleet.redis.redis.sadd(keys.hosts, 'h2');
  const ids: string[] = [];
  for (let i = 0; i < 5; i++) ids.unshift(await fleet.queue.accepted('web'));
  return { ...fleet, ids };
}

/** Ids of jobs of h1 in a list, and where it goes on. */
async function listed({ queue: { queue } }: QueueApi, filter: JobFilter = {}, limit = 100, after?: string) {
  const { jobs, next } = await queue.listJobs(filter, limit, after);
  return { ids: jobs.filter(({ host }) => host === 'h1').map(({ id }) => id), next };
}

test.each(malformed)('%s on one host leaves out nothing of another', async (_, write) => {
  const fleet = await openHostileFleet();
  await write(fleet.redis.redis);
  const queued = { state: 'queued' as const };
  for (const filter of [{}, queued, { u: '0', ...queued }, { r: 'we*' }, { u: '0', r: 'we*' }])
    expect((await listed(fleet, filter)).ids).toEqual(fleet.ids);
  for (const filter of [{ state: 'failed' as const }, { u: '0', state: 'failed' as const }])
    expect((await listed(fleet, filter)).ids).toEqual([]);
  expect(await fleet.queue.queue.removeHost('h2')).toMatchObject({ names: 0 });
});

test.each([
  '1e300',
  'inf',
  '9007199254740991',
  '-1',
  '0.5',
  '-inf',
])('ids of one host with the order %s, or that are none, keep nobody from the next page', async (order) => {
  const fleet = await openHostileFleet();
  const { redis } = fleet.redis;
  const job = await redis.hgetall(keys.job('h1', fleet.ids[0] ?? ''));
  const newest = Number(job['order']);
  for (let i = 0; i < 300; i++) {
    const id = i.toString(16).padStart(32, 'b');
    await redis.zadd(keys.jobs('h2'), order === '0.5' ? newest - 1 + (i + 1) / 400 : order, id);
    await redis.hset(keys.job('h2', id), { ...job, id, host: 'h2' });
  }
  await redis.zadd(keys.jobs('h2'), newest + 1, 'no id');
  await redis.hset(keys.job('h2', 'no id'), { ...job, id: 'no id', host: 'h2' });
  const seen: string[] = [];
  let after: string | undefined;
  for (let pages = 0; pages < 10; pages++) {
    const { ids, next } = await listed(fleet, {}, 2, after);
    seen.push(...ids);
    if (next === null) break;
    after = next;
  }
  expect(seen).toEqual(fleet.ids);
});

test.each<[string, (redis: QueueApi['redis']['redis']) => Promise<unknown>]>([
  ['no number', (redis) => redis.hset(keys.charged('h2'), 'bytes', 'x')],
  ['no hash', (redis) => redis.set(keys.charged('h2'), 'x')],
])('a job of one host that has waited too long, and cannot be ended because its charge is %s, breaks no list', async (_, write) => {
  const fleet = await openHostileFleet();
  const { redis } = fleet.redis;
  const id = 'a'.repeat(32);
  const job = await redis.hgetall(keys.job('h1', fleet.ids[0] ?? ''));
  await redis.hset(keys.job('h2', id), { ...job, id, host: 'h2', expiresAt: '1' });
  await redis.zadd(keys.jobs('h2'), 1, id);
  await redis.hset(keys.charges('h2'), id, '5 0');
  await write(redis);
  expect((await listed(fleet)).ids).toEqual(fleet.ids);
});

test('what a host holds, where it is no set, breaks neither the sweep of the directory nor a list of gears', async () => {
  const fleet = await openHostileFleet();
  const { redis } = fleet.redis;
  await joinWith(fleet, 'h2', 'theirs', { 'container.list': async () => Promise.reject(new Error('no')) });
  await insertEntryIfAbsent(redis, 'gear', 'nobodys', 'h1');
  await redis.set(keys.held('h2', 'gear'), 'x');
  await sweepDirectory(redis);
  expect(await redis.hkeys(keys.holders('gear'))).toEqual(['web']);
  await insertEntryIfAbsent(redis, 'gear', 'theirs', 'h2');
  const answer = await fetch(`${fleet.api.url}/token/__test__/containers`);
  expect(answer.status).toBe(200);
  await redis.set(keys.holders('gear'), 'x');
  await expect(sweepDirectory(redis)).rejects.toThrow('WRONGTYPE'); // The directory is of no host.
});

test('in a Cluster an announcement of another type hides its own host only', async () => {
  const fleet = await openHostileFleet();
  const { redis } = fleet.redis;
  await redis.del(keys.host('h2'));
  await redis.hset(keys.host('h2'), 'x', 'x');
  const clock = { now: Date.now };
  const cluster = new Proxy(redis, {
    get: (target, name) => (name === 'isCluster' ? true : Reflect.get(target, name)),
  });
  expect((await createHostsReader(cluster, clock)()).map(({ name }) => name)).toEqual(['h1']);
  expect(await readHost(redis, clock, 'h2')).toBeNull();
});
