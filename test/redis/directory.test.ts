import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import type { Command } from '../../src/jobs/registry.ts';
import { accept } from '../../src/queue/accept/accept.ts';
import type { AcceptParts } from '../../src/queue/accept/attempt.ts';
import { createHostPredictor, type HostPredictor } from '../../src/queue/accept/host-predictor.ts';
import type { Accepted, JobSubmission } from '../../src/queue/accept/submission.ts';
import { type ApiQueue, openApiQueue } from '../../src/queue/api-queue.ts';
import {
  deleteEntry,
  findHolder,
  insertEntryIfAbsent,
  readEntry,
  releaseEntry,
} from '../../src/queue/directory/entries.ts';
import { createHostsReader, heldUnder, readHost } from '../../src/queue/directory/hosts.ts';
import { sweepDirectory } from '../../src/queue/directory/sweep.ts';
import { createDeliveries } from '../../src/queue/records/deliveries.ts';
import { createRecordReader } from '../../src/queue/records/read-records.ts';
import { keys } from '../../src/queue/redis/keys.ts';
import { openWorkerQueue, type WorkerQueue } from '../../src/queue/worker-queue.ts';
import { hostPaths } from '../../src/worker/domain/paths.ts';
import { createGearIndex } from '../../src/worker/gear/gear-index.ts';
import { makeDirectories } from '../../src/worker/host/files.ts';
import { createAnnouncer } from '../../src/worker/host-state/announcer.ts';
import { hostLimits, jobLimits } from '../support/limits.ts';
import { anyOf, connected, diskOf, hostNamed, to } from '../support/queue.ts';
import { openTestRedis, type TestRedis } from '../support/redis.ts';
import { until } from '../support/until.ts';

const log = pino({ level: 'silent' });
const hosts = ['h1', 'h2', 'h3'];
let redis: TestRedis;
let closers: (() => unknown)[] = [];

beforeEach(async () => {
  redis = await openTestRedis();
  closers = [];
});
afterEach(async () => {
  for (const close of closers.reverse()) await close();
  await redis.close();
});

let count = 0;
const id = () => (++count).toString(16).padStart(32, '0');
const install = (resource: string, more: object = {}): Command =>
  ({
    type: 'container.install',
    params: { resource, spec: { ports: [], ...more }, start: true, createOnly: false },
  }) as never;
const stop = (resource: string): Command => ({ type: 'container.stop', params: { resource } });
const request = (command: Command, more: Partial<JobSubmission> = {}): JobSubmission => ({
  ...{ id: id(), command, fingerprint: 'f', user: '0', tenant: '0', expires: 86_400 },
  seal: (host) => `sealed for ${host}`,
  ...more,
});

/** What accepting needs, without an api around it. */
function parts(atOnce: boolean): AcceptParts {
  const deliveries = createDeliveries(redis.redis);
  const settled = async () => undefined;
  const clock = { now: () => Date.now() };
  return {
    ...{ redis: redis.redis, deliveries, atOnce, keepSeconds: 1_000, clock },
    records: createRecordReader(redis.redis, clock, 1_000),
    predictor: createHostPredictor(),
    directorySync: { settled, confirmed: settled, epoch: () => '', close: () => undefined },
    limits: jobLimits({ maxJobsPerGear: 3 }),
  };
}

const h3 = () => ({ host: 'h3', settle: () => undefined });
const alwaysH3: HostPredictor = { predict: h3, see: () => undefined, learn: () => undefined };

const hostOf = (accepted: Accepted) =>
  accepted.verdict === 'accepted' ? accepted.job.host : accepted.verdict;

function openApi(expected: string[] = [], to = log): ApiQueue {
  const limits = jobLimits();
  const queue = openApiQueue({ redis: { url: redis.url }, limits, keepSeconds: 1_000, expected, log: to });
  closers.push(queue.close);
  return queue;
}

function openHost(host: string, identity = host): WorkerQueue {
  const worker = openWorkerQueue({
    ...{ redis: { url: redis.url }, host, holder: diskOf(identity), keepSeconds: 1_000, log },
  });
  closers.push(worker.close);
  return worker;
}

/** Holds for both ways of accepting: everything at once, and slot by slot as in a Cluster. */
const ways = [
  ['at once', true],
  ['in steps', false],
] as const;

test.each(ways)('%s: 60 simultaneous installs spread evenly over three hosts', async (_, atOnce) => {
  const all = await Promise.all(
    Array.from({ length: 60 }, (_, i) => accept(parts(atOnce), request(install(`g${i}`)), anyOf(...hosts))),
  );
  const counts = hosts.map((host) => all.filter((accepted) => hostOf(accepted) === host).length);
  expect(counts).toEqual([20, 20, 20]);
});

test.each(ways)('%s: 900 simultaneous installs spread over 300 hosts within 2 of even', async (_, atOnce) => {
  const fleet = Array.from({ length: 300 }, (_, i) => `n${i}`);
  // Requests have a deadline of two seconds by this clock, too little for all of these on a busy machine.
  const one = { ...parts(atOnce), clock: { now: () => Date.now() + 30_000 } };
  const all = await Promise.all(
    Array.from({ length: 900 }, (_, i) => accept(one, request(install(`g${i}`)), anyOf(...fleet))),
  );
  const counts = fleet.map((host) => all.filter((accepted) => hostOf(accepted) === host).length);
  expect(Math.max(...counts)).toBeLessThanOrEqual(5);
  expect(Math.min(...counts)).toBeGreaterThanOrEqual(1);
});

test.each(ways)('%s: the one host of many that has a port free is found', async (_, atOnce) => {
  const fleet = Array.from({ length: 40 }, (_, i) => `n${i}`);
  const one = parts(atOnce);
  const ports = { ports: [{ internal: 80, external: 4343 }] };
  const all = await Promise.all(
    fleet.map((_, i) => accept(one, request(install(`g${i}`, ports)), anyOf(...fleet))),
  );
  expect(new Set(all.map(hostOf)).size).toBe(40);
});

test.each(ways)('%s: the one host of thousands that has a port free is found', async (_, atOnce) => {
  const fleet = Array.from({ length: 4_500 }, (_, i) => `n${i}`);
  const taken = fleet.slice(0, -1).map((host) => [`port:${host}:4343`, 1] as const);
  await redis.redis.hset(keys.spread, new Map(taken));
  const ports = { ports: [{ internal: 80, external: 4343 }] };
  // The script takes a while to compare them on a busy machine.
  const one = { ...parts(atOnce), clock: { now: () => Date.now() + 30_000 } };
  expect(hostOf(await accept(one, request(install('web', ports)), anyOf(...fleet)))).toBe('n4499');
});

test.each(ways)('%s: one name never lands on two hosts, however many ask at once', async (_, atOnce) => {
  const all = await Promise.all(
    Array.from({ length: 3 }, () => accept(parts(atOnce), request(install('one')), anyOf(...hosts))),
  );
  expect(new Set(all.map(hostOf)).size).toBe(1);
  expect(hosts).toContain(hostOf(all[0] as Accepted));
});

test.each(
  ways,
)('%s: one id becomes one job, also where its requests name different gears', async (_, atOnce) => {
  const same = id();
  const all = await Promise.all(
    Array.from({ length: 9 }, (_, i) =>
      accept(parts(atOnce), request(install(`name${i}`), { id: same }), anyOf(...hosts)),
    ),
  );
  expect(all.filter(({ verdict }) => verdict === 'accepted')).toHaveLength(1);
  expect(all.filter(({ verdict }) => verdict === 'known')).toHaveLength(8);
  expect(await redis.redis.hlen(keys.holders('gear'))).toBe(1);
});

test.each(ways)('%s: what is refused leaves no claim to a name and binds no id', async (_, atOnce) => {
  const full = { ...parts(atOnce), limits: jobLimits({ maxJobs: 0 }) };
  const refused = request(install('none'));
  expect(await accept(full, refused, anyOf(...hosts))).toMatchObject({ verdict: 'full' });
  expect(await accept(parts(atOnce), request(stop('nobody')), to('h1'))).toEqual({ verdict: 'missing' });
  expect(await accept(parts(atOnce), request(install('none')), anyOf())).toEqual({ verdict: 'nowhere' });
  expect(await redis.redis.hgetall(keys.holders('gear'))).toEqual({});
  const spread = Object.values(await redis.redis.hgetall(keys.spread));
  expect(spread.filter((n) => n !== '0')).toEqual([]);
  expect(hostOf(await accept(parts(atOnce), refused, to('h3')))).toBe('h3');
});

test.each(
  ways,
)('%s: a worker that falsely claims a name attracts its requests, but none that names a host (security L15)', async (_, atOnce) => {
  for (const name of ['future', 'vault']) {
    await redis.redis.sadd(keys.held('h1', 'gear'), name);
    await insertEntryIfAbsent(redis.redis, 'gear', name, 'h1'); // As an api does that has read it.
  }
  expect(hostOf(await accept(parts(atOnce), request(install('future')), anyOf(...hosts)))).toBe('h1');
  expect(await accept(parts(atOnce), request(install('vault')), to('h2'))).toEqual({
    verdict: 'elsewhere',
    host: 'h1',
  });
});

test('a wrong prediction changes nothing but the way: the directory chooses, and takes back what is refused', async () => {
  await accept(parts(true), request(install('first')), to('h3'));
  const wrong = { ...parts(true), predictor: alwaysH3 };
  expect(hostOf(await accept(wrong, request(install('second')), anyOf('h3', 'h1')))).toBe('h1');
  expect(hostOf(await accept(wrong, request(install('second')), anyOf('h3', 'h1', 'h2')))).toBe('h1');
  expect(hostOf(await accept(wrong, request(stop('second')), anyOf('h3', 'h1')))).toBe('h1');
  expect(await accept(wrong, request(stop('nobody')), anyOf('h3', 'h1'))).toEqual({ verdict: 'missing' });
  const full = { ...wrong, limits: jobLimits({ maxJobs: 0 }) };
  expect(await accept(full, request(install('third')), anyOf('h3', 'h2'))).toMatchObject({ verdict: 'full' });
  expect((await redis.redis.hkeys(keys.holders('gear'))).sort()).toEqual(['first', 'second']);
});

test.each(
  ways,
)('%s: a host is chosen by its ports and its memory before its number of gears', async (_, atOnce) => {
  const go = async (name: string, more: object) =>
    hostOf(await accept(parts(atOnce), request(install(name, more)), anyOf('h1', 'h2')));
  const ports = { ports: [{ internal: 80, external: 4343 }] };
  expect(new Set([await go('a', ports), await go('b', ports)]).size).toBe(2);
  const half = { memory: 600 * 1024 * 1024 };
  expect(new Set([await go('c', half), await go('d', half)]).size).toBe(2);
  const last = hostOf(await accept(parts(atOnce), request(install('e')), anyOf('h1', 'h2')));
  const spread = await redis.redis.hgetall(keys.spread);
  expect(Number(spread[`gear:${last}`])).toBe(3);
});

test.each(
  ways,
)('%s: a gear that names no memory is charged what its host gives it, and that is given back', async (_, atOnce) => {
  const gearMemory = { usual: 512, others: new Map([['h2', 100]]) };
  const go = async (name: string, more: object, ...among: string[]) =>
    hostOf(await accept(parts(atOnce), request(install(name, more)), { ...anyOf(...among), gearMemory }));
  const charged = async () => {
    const spread = await redis.redis.hgetall(keys.spread);
    return ['h1', 'h2'].map((host) => Number(spread[`memory:${host}`] ?? 0));
  };
  await go('a', {}, 'h1');
  await go('b', {}, 'h2');
  expect(await charged()).toEqual([512, 100]);
  // Each has one gear, and h1 has too little left for another one.
  expect(await go('c', {}, 'h1', 'h2')).toBe('h2');
  expect(await go('d', {}, 'h1', 'h2')).toBe('h2');
  expect(await charged()).toEqual([512, 300]);
  // An update is charged by the gear's own host, even if that is not among those compared.
  await go('a', { memory: 64 * 1024 * 1024 }, 'h2');
  expect(await charged()).toEqual([64, 300]);
  await go('a', {}, 'h2');
  expect(await charged()).toEqual([512, 300]);
  for (const [name, host] of Object.entries({ a: 'h1', b: 'h2', c: 'h2', d: 'h2' })) {
    await redis.redis.del(keys.line(host, 'gear', name));
    const entry = await readEntry(redis.redis, 'gear', name);
    expect(entry && (await deleteEntry(redis.redis, 'gear', name, entry, 0))).toBe(true);
  }
  expect(await charged()).toEqual([0, 0]);
});

test.each([
  ['was announced', 1, 0],
  ['is news to the directory', 0, 1],
])('a fleet is compared as a whole for want of memory only if that %s', async (_, avoid, times) => {
  const all = Array.from({ length: 20 }, (_, i) => ({ host: `h${i}`, memory: 100, avoid }));
  const gearMemory = { usual: 512, others: new Map<string, number>() };
  let compared = 0;
  const counting = new Proxy(redis.redis, {
    get(target, name) {
      if (name === 'geard:claimName') compared++;
      return Reflect.get(target, name);
    },
  });
  const placement = { ...anyOf(), candidates: all, gearMemory };
  await accept({ ...parts(true), redis: counting }, request(install('web')), placement);
  expect(compared).toBe(times);
});

test.each(ways)('%s: an entry of an earlier version gives back what it was charged', async (_, atOnce) => {
  const gearMemory = { usual: 512, others: new Map<string, number>() };
  await insertEntryIfAbsent(redis.redis, 'gear', 'old', 'h1'); // As a version did that charged nothing.
  await redis.redis.sadd(keys.held('h1', 'gear'), 'old');
  await accept(parts(atOnce), request(install('old')), { ...to('h1'), gearMemory });
  expect(await redis.redis.hget(keys.spread, 'memory:h1')).toBe('512');
  await accept(parts(atOnce), request(install('old')), to('h1')); // An api of that version.
  expect(await redis.redis.hget(keys.spread, 'memory:h1')).toBe('0');
});

test.each(ways)('%s: repositories and environments need no memory', async (_, atOnce) => {
  const gearMemory = { usual: 512, others: new Map<string, number>() };
  const replace: Command = { type: 'environment.replace', params: { resource: 'shared', env: [] } };
  await accept(parts(atOnce), request(replace), { ...anyOf('h1'), gearMemory });
  expect(await redis.redis.hget(keys.spread, 'memory:h1')).toBe('0');
});

test.each(
  ways,
)('%s: an old entry for a name that its host does not have does not bind it there', async (_, atOnce) => {
  await insertEntryIfAbsent(redis.redis, 'gear', 'stale', 'h9');
  expect(hostOf(await accept(parts(atOnce), request(install('stale')), anyOf('h1')))).toBe('h1');
  await insertEntryIfAbsent(redis.redis, 'gear', 'other', 'h9');
  expect(hostOf(await accept(parts(atOnce), request(install('other')), to('h2')))).toBe('h2');
  await insertEntryIfAbsent(redis.redis, 'gear', 'held', 'h9');
  await redis.redis.sadd(keys.held('h9', 'gear'), 'held');
  expect(await accept(parts(atOnce), request(install('held')), to('h2'))).toMatchObject({
    verdict: 'elsewhere',
    host: 'h9',
  });
});

test.each(
  ways,
)('%s: a host that takes nothing new can still be asked to change what it has', async (_, atOnce) => {
  await insertEntryIfAbsent(redis.redis, 'gear', 'there', 'h1');
  await redis.redis.sadd(keys.held('h1', 'gear'), 'there');
  const draining = { ...to('h1'), candidates: [] };
  expect(hostOf(await accept(parts(atOnce), request(install('there')), draining))).toBe('h1');
  expect(await accept(parts(atOnce), request(install('new')), draining)).toEqual({ verdict: 'nowhere' });
  const undrain: Command = { type: 'host.undrain', params: { resource: 'h1' } };
  expect(hostOf(await accept(parts(atOnce), request(undrain), draining))).toBe('h1');
});

test.each(
  ways,
)('%s: a request that is refused takes back nothing from the same one sent twice', async (_, atOnce) => {
  await accept(parts(atOnce), request(install('first')), to('h3'));
  const submission = request(install('twice'));
  let second: Accepted | undefined;
  // When the first is about to take back its claim the second one has been accepted.
  const slow = new Proxy(redis.redis, {
    get(target, name) {
      const value = Reflect.get(target, name);
      if (name !== 'geard:deleteEntry') return value;
      return async (...args: unknown[]) => {
        second ??= await accept(parts(atOnce), submission, anyOf('h3', 'h1'));
        return value.apply(target, args);
      };
    },
  });
  const full = { ...parts(atOnce), redis: slow, predictor: alwaysH3, limits: jobLimits({ maxJobs: 0 }) };
  expect(await accept(full, submission, anyOf('h3', 'h1'))).toMatchObject({ verdict: 'full' });
  expect(second?.verdict).toBe('accepted');
  expect(await findHolder(redis.redis, 'gear', 'twice')).toBe('h1');
});

test.each(ways)('%s: one id stays bound where the same request comes again, too late', async (_, atOnce) => {
  const submission = request(install('once'));
  await accept(parts(atOnce), submission, to('h1'));
  const late = { ...parts(atOnce), clock: { now: () => Date.now() - 60_000 } };
  expect((await accept(late, submission, to('h1'))).verdict).toBe('known');
  expect(await redis.redis.ttl(keys.id(submission.id))).toBeGreaterThan(1_000);
  const tooLate = accept(late, request(install('never')), to('h1'));
  await expect(tooLate).rejects.toMatchObject({ code: 'queue_unavailable' });
  expect(await redis.redis.hexists(keys.holders('gear'), 'never')).toBe(0);
});

test('an entry is not taken back while a request may be on its way that counts on it', async () => {
  await accept(parts(true), request(install('young')), to('h1'));
  await redis.redis.del(keys.line('h1', 'gear', 'young'));
  const entry = await readEntry(redis.redis, 'gear', 'young');
  if (!entry) throw new Error('there is no entry');
  expect(await releaseEntry(redis.redis, 'gear', 'young', entry)).toBe('busy');
  const state = () => releaseEntry(redis.redis, 'gear', 'young', entry);
  await until('it is old enough', async () => (await state()) === 'free', 5_000);
  expect(await findHolder(redis.redis, 'gear', 'young')).toBeNull();
});

test('a sweep takes out what its host neither holds nor was asked for, of however many names', async () => {
  const names = Array.from({ length: 1_500 }, (_, i) => `g${i}`);
  await Promise.all(names.map((name, i) => insertEntryIfAbsent(redis.redis, 'gear', name, `h${i % 3}`)));
  const there = names.filter((_, i) => i % 5 > 0);
  for (const [i, name] of names.entries())
    if (there.includes(name)) await redis.redis.sadd(keys.held(`h${i % 3}`, 'gear'), name);
  await redis.redis.zadd(keys.line('h0', 'gear', 'g0'), 1, 'a job');
  await sweepDirectory(redis.redis);
  expect(new Set(await redis.redis.hkeys(keys.holders('gear')))).toEqual(new Set(['g0', ...there]));
});

test('what is removed from a host is soon out of the directory', async () => {
  const queue = openApi(['h1']);
  const worker = openHost('h1');
  await connected(queue);
  await worker.announceHost(hostNamed('h1'), 'held');
  await queue.accept(request(install('brief')), to('h1'));
  const [open] = await worker.records.open();
  const record = await worker.records.read(open ?? '');
  if (!record) throw new Error('there is no record');
  await worker.records.begin(record);
  await worker.records.finish(record, { state: 'succeeded', result: {} }, false);
  await until('the entry is gone', async () => (await redis.redis.hlen(keys.holders('gear'))) === 0, 10_000);
});

test('what is removed from a host is there no longer where the jobs behind its removal were cancelled', async () => {
  const queue = openApi(['h1']);
  const worker = openHost('h1');
  await connected(queue);
  await worker.announceHeld('gear', async () => ['brief']);
  await worker.announceHost(hostNamed('h1'), 'held');
  await until('the name is known', async () => (await queue.findHolder('gear', 'brief')) === 'h1');
  const [removal, follower] = [request(stop('brief')), request(stop('brief'))];
  for (const one of [removal, follower]) await queue.accept(one, to('h1'));
  const [first, second] = await Promise.all([removal, follower].map(({ id }) => worker.records.read(id)));
  if (!first || !second) throw new Error('there is no record');
  await worker.records.begin(first);
  const finished = worker.records.finish(first, { state: 'succeeded', result: {} }, false);
  expect(await finished).toBe(follower.id);
  expect(await queue.cancel(second, 'sealed')).toBe('queued');
  expect(await queue.findHolder('gear', 'brief')).toBeNull(); // Also for a host that is offline.
  await worker.records.drop(second.job);
  await until('the entry is gone', async () => (await redis.redis.hlen(keys.holders('gear'))) === 0, 10_000);
  const again = install('brief', {});
  Object.assign(again.params, { createOnly: true });
  expect((await queue.accept(request(again), to('h1'))).verdict).toBe('accepted');
});

/** A host with the gear `here`, which an api knows, and a way to keep it from saying so again when it is asked. */
async function openSpeakingHost() {
  const worker = openHost('h1');
  const everything = async () => {
    const message = heldUnder(worker.epoch());
    await worker.announceHeld('gear', async () => ['here']);
    await worker.announceHost(hostNamed('h1'), message);
  };
  let isMute = false;
  worker.onAsked(() => void (isMute || everything()));
  const queue = openApi(['h1']);
  await until(
    'the api knows',
    async () => (await queue.findHolder('gear', 'here').catch(() => null)) === 'h1',
  );
  const mute = (is: boolean) => {
    isMute = is;
  };
  return { worker, queue, everything, mute };
}

test('after Redis has lost everything nothing is said to be absent before the hosts have spoken', async () => {
  const { queue, everything, mute } = await openSpeakingHost();
  mute(true);
  await redis.redis.flushall();
  await expect(queue.findHolder('gear', 'here')).rejects.toMatchObject({ code: 'queue_unavailable' });
  const elsewhere = queue.accept(request(install('here')), anyOf('h2'));
  await expect(elsewhere).rejects.toMatchObject({ code: 'queue_unavailable' });
  mute(false);
  await everything();
  await until('it is known again', async () => (await queue.findHolder('gear', 'here')) === 'h1');
  expect(await queue.findHolder('gear', 'nobody')).toBeNull();
});

test('an announcement that was on its way when Redis lost everything does not stand for what was lost', async () => {
  const { worker, queue, everything, mute } = await openSpeakingHost();
  await until('an api has asked', () => worker.epoch() !== '');
  const before = worker.epoch();
  mute(true);
  await redis.redis.flushall();
  await until('an api has asked anew', () => worker.epoch() !== before);
  await worker.announceHost(hostNamed('h1'), heldUnder(before));
  await until('the api has read the host', async () => (await redis.redis.sismember(keys.hosts, 'h1')) === 1);
  await expect(queue.findHolder('gear', 'here')).rejects.toMatchObject({ code: 'queue_unavailable' });
  mute(false);
  await everything();
  await until('it is known again', async () => (await queue.findHolder('gear', 'here')) === 'h1');
});

test('what comes or goes while a host looks at its disk is neither forgotten nor brought back', async () => {
  const worker = openHost('h1');
  const held = keys.held('h1', 'gear');
  await redis.redis.sadd(held, 'goes', 'stays', 'vanished');
  await worker.announceHeld('gear', async () => {
    await redis.redis.sadd(held, 'comes'); // A job has ended after Redis was read,
    const seen = ['goes', 'stays', 'new'];
    await redis.redis.srem(held, 'goes'); // and another one after the disk was.
    return seen;
  });
  expect((await redis.redis.smembers(held)).sort()).toEqual(['comes', 'new', 'stays']);
});

test('a second worker under the same name is refused and told where the first one is; the same disk takes over', async () => {
  const first = openHost('h1', 'disk 1');
  await first.announceHost(hostNamed('h1'), '');
  const second = openHost('h1', 'disk 2');
  await expect(second.announceHost(hostNamed('h1'), '')).rejects.toThrow(
    /alive under the name h1: on the disk disk 1/,
  );
  const again = openHost('h1', 'disk 1');
  await again.announceHost(hostNamed('h1'), '');
  await again.withdrawHost(hostNamed('h1'));
  await second.announceHost(hostNamed('h1'), '');
});

test('a job that no worker takes in time fails as expired, for clients and for a worker that is back later', async () => {
  const queue = openApi(['h1']);
  const worker = openHost('h1');
  await connected(queue);
  await worker.announceHost(hostNamed('h1'), 'held');
  const [late, taken] = [request(install('late'), { expires: 1 }), request(install('taken'), { expires: 1 })];
  for (const one of [late, taken]) await queue.accept(one, to('h1'));
  expect(await worker.records.take(taken.id)).toBe('taken');
  const ended = await queue.wait(late.id, 10_000);
  expect(ended?.job).toMatchObject({ state: 'failed', error: { code: 'expired', host: 'h1' } });
  expect(ended?.sealed).toBe('');
  expect(await worker.records.take(late.id)).toBe('expired');
  const record = await worker.records.read(late.id);
  expect(record && (await worker.records.begin(record)).turn).toBe('over');
  expect((await queue.job(taken.id))?.job.state).toBe('queued');
});

test.each(
  ways,
)('%s: the same request again is told that its job has expired, also where nobody has read that', async (_, atOnce) => {
  await redis.redis.sadd(keys.held('h1', 'gear'), 'web');
  await insertEntryIfAbsent(redis.redis, 'gear', 'web', 'h1');
  const late = request(stop('web'), { expires: 0 });
  await accept(parts(atOnce), late, to('h1'));
  const expired = {
    verdict: 'known',
    record: { job: { state: 'failed', error: { code: 'expired' } } },
  };
  await until('its time is up', () => isOver(late.id));
  expect(await accept(parts(atOnce), late, to('h1'))).toMatchObject(expired);
  const undrain: Command = { type: 'host.undrain', params: { resource: 'h1' } };
  const other = request(undrain, { expires: 0 });
  await accept(parts(atOnce), other, to('h1'));
  await until('its time is up', () => isOver(other.id));
  expect(await accept(parts(atOnce), other, to('h2'))).toMatchObject(expired); // By the ledger.
});

/** Whether the time of a job to wait is up; Redis compares seconds. */
const isOver = async (job: string) =>
  Date.now() > Number(await redis.redis.hget(keys.job('h1', job), 'expiresAt')) + 1_000;

test('only a request for which an offline host has no room looks for jobs that have waited too long, once', async () => {
  const looks: number[] = [];
  const shown = async (places: unknown[]) => {
    looks.push(places.length);
    return [];
  };
  const one = parts(true); // Three jobs for each gear.
  const looking = { ...one, records: { ...one.records, shown } };
  for (let i = 0; i < 3; i++)
    expect((await accept(looking, request(install('web')), to('h1'))).verdict).toBe('accepted');
  expect(looks).toEqual([]);
  expect((await accept(looking, request(install('web')), to('h1'))).verdict).toBe('full');
  expect(looks).toEqual([]);
  const offline = { ...to('h1'), gone: ['h1'] };
  expect((await accept(looking, request(install('web')), offline)).verdict).toBe('full');
  expect(looks).toEqual([3]);
});

test.each([
  -3_600_000, 3_600_000,
])('a job’s times are by Redis’s clock, also where an api’s is %i ms off', async (off) => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + off });
  onTestFinished(() => void vi.useRealTimers());
  const queue = openApi(['h1']);
  const worker = openHost('h1');
  await connected(queue);
  await worker.announceHost(hostNamed('h1'), 'held');
  const sent = request(install('web'), { expires: 600 });
  await queue.accept(sent, to('h1'));
  expect((await queue.job(sent.id))?.job.state).toBe('queued');
  expect(await worker.records.take(sent.id)).toBe('taken');
  const { takenAt, job } = (await worker.records.read(sent.id)) ?? {};
  expect(Math.abs(Number(takenAt) - Date.parse(job?.createdAt ?? ''))).toBeLessThan(60_000);
});

test('a job whose host was removed is over, also for who wants to cancel it, running or not', async () => {
  const queue = openApi(['h1']);
  const worker = openHost('h1');
  await connected(queue);
  await worker.announceHost(hostNamed('h1'), 'held');
  const [running, queued] = [request(install('runs')), request(install('waits'))];
  for (const one of [running, queued]) await queue.accept(one, to('h1'));
  const record = await worker.records.read(running.id);
  if (!record) throw new Error('there is no record');
  expect((await worker.records.begin(record)).turn).toBe('begun');
  expect(await queue.removeHost('h1')).toEqual({ names: 2, jobs: 2 });
  for (const { id } of [running, queued]) {
    const ended = await queue.job(id);
    expect(ended?.job).toMatchObject({ state: 'failed', error: { code: 'host_unavailable' } });
    expect(ended && (await queue.cancel(ended, 'sealed'))).toBe('final');
  }
  expect((await queue.listJobs({ h: 'h1' }, 9)).jobs.map(({ id }) => id)).toEqual([queued.id, running.id]);
});

test('jobs of many hosts are listed as one list, newest first', async () => {
  const queue = openApi(hosts);
  await connected(queue);
  for (const host of hosts) await openHost(host).announceHost(hostNamed(host), 'held');
  const sent: string[] = [];
  for (let i = 0; i < 130; i++) {
    const one = request(install(`g${i % 40}`));
    sent.unshift(one.id);
    await queue.accept(one, anyOf(...hosts));
  }
  const ids = async (...args: Parameters<ApiQueue['listJobs']>) =>
    (await queue.listJobs(...args)).jobs.map((job) => job.id);
  expect(await ids({}, 200)).toEqual(sent);
  const paged: string[] = [];
  for (let last: string | undefined; paged.length < 130; last = paged.at(-1)) {
    const page = await ids({}, 7, last);
    if (page.length === 0) break;
    paged.push(...page);
  }
  expect(paged).toEqual(sent);
  const {
    jobs: [h1],
  } = await queue.listJobs({ h: 'h1' }, 1);
  expect(h1?.host).toBe('h1');
});

test('a host that could not be read once is read again soon, and that it could not is told once (house 7.6)', async () => {
  const told: string[] = [];
  const telling = pino({ level: 'warn' }, { write: (line: string) => void told.push(line) });
  const worker = openHost('h1');
  await redis.redis.set(keys.held('h1', 'gear'), 'no set'); // Every read of it fails.
  const queue = openApi([], telling);
  await connected(queue);
  // Signs of life like those of a host that has said before what it holds.
  const beat = async () => {
    await worker.announceHost(hostNamed('h1'), '');
    return told.length > 0;
  };
  await until('the api cannot read the host', beat);
  await beat();
  await beat();
  await redis.redis.del(keys.held('h1', 'gear'));
  await redis.redis.sadd(keys.held('h1', 'gear'), 'web');
  await until('the name is known', async () => (await readEntry(redis.redis, 'gear', 'web')) !== null, 6_000);
  expect(told.map((line) => JSON.parse(line).msg)).toEqual([
    'the resources of a host cannot be read; retrying',
  ]);
});

test.each([
  ['more ports than an announcement may have', { ports: Array.from({ length: 5_056 }, (_, i) => 4_000 + i) }],
  ['ports that are none', { ports: ['80'] as never }],
  ['an address that is none', { address: 'http://h1' }],
])('a host that announces %s is in the fleet all the same', async (_, more) => {
  await openHost('h1').announceHost(hostNamed('h1', more), 'held');
  await redis.redis.sadd(keys.hosts, 'h1');
  const known = { name: 'h1', state: 'live', ports: [], address: null };
  const clock = { now: () => Date.now() };
  expect(await readHost(redis.redis, clock, 'h1')).toMatchObject(known);
  expect(await createHostsReader(redis.redis, clock)()).toMatchObject([known]);
});

test.each(
  ways,
)('%s: a request that is on record is accepted, also where its delivery fails', async (_, atOnce) => {
  const failing = {
    add: () => Promise.reject(new Error('Connection is closed.')),
    close: async () => undefined,
  };
  const accepted = await accept(
    { ...parts(atOnce), deliveries: failing },
    request(install('new')),
    anyOf('h1'),
  );
  expect(accepted).toMatchObject({ verdict: 'accepted', job: { host: 'h1' } });
});

test('after a loss a heartbeat does not count as what a host has: nothing is absent before it says so', async () => {
  const { worker, queue, mute } = await openSpeakingHost();
  mute(true);
  await redis.redis.flushall();
  await until('the loss is noticed', async () => (await redis.redis.exists(keys.epoch)) === 1);
  // The api begins the epoch before it forgets its hosts: a heartbeat in between is one of a host that it knows.
  const isHeard = async () => {
    await worker.announceHost(hostNamed('h1'), '');
    return (await redis.redis.sismember(keys.hosts, 'h1')) === 1;
  };
  await until('the heartbeat is heard', isHeard);
  await expect(queue.findHolder('gear', 'here')).rejects.toMatchObject({ code: 'queue_unavailable' });
});

/** A host with nothing on its disk that announces itself as a worker does, with what its jobs may make. */
async function openAnnouncedHost(host: string, inWork: () => string[]) {
  const base = await mkdtemp(join(tmpdir(), 'geard-directory-'));
  closers.push(() => rm(base, { recursive: true }));
  const paths = hostPaths(base);
  await makeDirectories(paths.directories);
  const queue = openHost(host);
  const announcer = createAnnouncer({
    ...{ queue, paths, gears: createGearIndex(paths), host, version: '1', limits: hostLimits() },
    ...{ onFatal: () => undefined, log },
  });
  const live = announcer.keep(null, (kind) => (kind === 'gear' ? inWork() : []));
  closers.push(live.stop);
  await live.ready;
  return queue;
}

test('a request sent again after a loss goes to the host that still runs its job, whose end frees the name', async () => {
  // The job pulls its image; nothing is on the disk. From the beginning, because an announcement may be on its
  // way while Redis loses its data.
  const worker = await openAnnouncedHost('h1', () => ['web']);
  const queue = openApi(['h1']);
  await connected(queue);
  const sent = request(install('web'));
  await queue.accept(sent, anyOf('h1'));
  const record = await worker.records.read(sent.id);
  if (!record) throw new Error('there is no record');
  await worker.records.begin(record);
  await redis.redis.flushall();
  const again = () => queue.accept(sent, anyOf('h2')).catch(() => null);
  const accepted = await until('the directory is reliable', again, 20_000);
  expect(hostOf(accepted)).toBe('h1');

  await redis.redis.flushall(); // This time nobody sends the request again.
  await until('the name is known', async () => (await redis.redis.hlen(keys.holders('gear'))) === 1, 20_000);
  await worker.records.finish(record, { state: 'cancelled' }, false);
  await until('it is free', async () => (await redis.redis.hlen(keys.holders('gear'))) === 0, 10_000);
});
