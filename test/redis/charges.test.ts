import pino from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { JobLimits } from '../../src/jobs/limits.ts';
import type { Command } from '../../src/jobs/registry.ts';
import type { Accepted, JobSubmission } from '../../src/queue/accept/submission.ts';
import { type ApiQueue, openApiQueue } from '../../src/queue/api-queue.ts';
import { insertEntryIfAbsent } from '../../src/queue/directory/entries.ts';
import { keys } from '../../src/queue/redis/keys.ts';
import { openWorkerQueue, type WorkerQueue } from '../../src/queue/worker-queue.ts';
import { jobLimits } from '../support/limits.ts';
import { connected, diskOf, to } from '../support/queue.ts';
import { openTestRedis, type TestRedis } from '../support/redis.ts';
import { until } from '../support/until.ts';

const log = pino({ level: 'silent' });
let redis: TestRedis;
let queue: ApiQueue;
let worker: WorkerQueue;

async function open(limits: Partial<JobLimits>): Promise<void> {
  queue = openApiQueue({
    ...{ redis: { url: redis.url }, limits: jobLimits(limits), keepSeconds: 1_000, expected: ['h1'], log },
  });
  await connected(queue);
}

beforeEach(async () => {
  redis = await openTestRedis();
  await redis.redis.sadd(keys.hosts, 'h1');
  worker = openWorkerQueue({
    ...{ redis: { url: redis.url }, host: 'h1', holder: diskOf('1'), keepSeconds: 1_000, log },
  });
  for (const gear of ['a', 'b']) {
    await insertEntryIfAbsent(redis.redis, 'gear', gear, 'h1');
    await redis.redis.sadd(keys.held('h1', 'gear'), gear);
  }
});
afterEach(async () => {
  await worker.close();
  await queue.close();
  await redis.close();
});

let count = 0;
const submission = (tenant: string, more: Partial<JobSubmission> & { size?: number } = {}): JobSubmission => {
  const command: Command = { type: 'container.stop', params: { resource: 'a' } };
  const id = (++count).toString(16).padStart(32, '0');
  const seal = () => 's'.repeat(more.size ?? 10);
  return { id, command, fingerprint: 'f', user: '0', expires: 86_400, ...more, tenant, seal };
};
const send = async (one: JobSubmission) => queue.accept(one, to('h1'));
/** As while the host is offline. */
const sendOffline = async (one: JobSubmission) => queue.accept(one, { ...to('h1'), gone: ['h1'] });
const verdictOf = (accepted: Accepted) => (accepted.verdict === 'full' ? accepted.limit : accepted.verdict);

/** What is charged, and that the sums are those of the charges. */
async function charged(): Promise<Record<string, number>> {
  const charges = Object.values(await redis.redis.hgetall(keys.charges('h1')));
  const sums = Object.entries(await redis.redis.hgetall(keys.charged('h1')));
  const expected: Record<string, number> = {};
  for (const text of charges) {
    const [bytes = '', tenant = ''] = text.split(/ (.*)/);
    const add = (field: string, by: number) => {
      expected[field] = (expected[field] ?? 0) + by;
    };
    add(`jobs:${tenant}`, 1);
    add(`bytes:${tenant}`, Number(bytes));
    add('bytes', Number(bytes));
  }
  expect(Object.fromEntries(sums.map(([field, sum]) => [field, Number(sum)]))).toEqual(expected);
  return expected;
}

async function finish(id: string): Promise<void> {
  const record = await worker.records.read(id);
  if (!record) throw new Error('no record');
  await worker.records.begin(record);
  await worker.records.finish(record, { state: 'succeeded', result: null }, true);
  await worker.records.finish(record, { state: 'succeeded', result: null }, true);
}

test('a user at the limit of unfinished jobs is refused with its name, another one is not', async () => {
  await open({ userJobs: 3 });
  const sent = [submission('alice'), submission('alice'), submission('alice')];
  for (const one of sent) expect(verdictOf(await send(one))).toBe('accepted');
  expect(verdictOf(await send(submission('alice')))).toBe('userJobs');
  expect(verdictOf(await send(submission('bob')))).toBe('accepted');
  expect(verdictOf(await send(sent[1] as JobSubmission))).toBe('known'); // A replay is no new job.
  await finish(sent[0]?.id ?? '');
  expect(verdictOf(await send(submission('alice')))).toBe('accepted');
  expect((await charged())['jobs:alice']).toBe(3);
});

test('of 50 simultaneous requests of one user as many are accepted as the limit allows', async () => {
  await open({ userJobs: 7 });
  const all = await Promise.all(Array.from({ length: 50 }, () => send(submission('alice'))));
  expect(all.filter(({ verdict }) => verdict === 'accepted')).toHaveLength(7);
  expect((await charged())['jobs:alice']).toBe(7);
});

test('the bytes that a user has queued are bounded, and those of all users on the host', async () => {
  await open({ userQueueMegabytes: 1, maxQueueMegabytes: 2 });
  const large = (tenant: string) => send(submission(tenant, { size: 700_000 }));
  expect(verdictOf(await large('alice'))).toBe('accepted');
  expect(verdictOf(await large('alice'))).toBe('userQueueMegabytes');
  expect(verdictOf(await send(submission('alice')))).toBe('accepted');
  expect(verdictOf(await large('bob'))).toBe('accepted');
  expect(verdictOf(await large('carol'))).toBe('maxQueueMegabytes');
});

test('what is refused charges nothing', async () => {
  await open({ maxJobsPerGear: 1 });
  const absent: Command = { type: 'container.stop', params: { resource: 'nowhere' } };
  await send(submission('alice', { command: absent }));
  expect(await charged()).toEqual({});
  await send(submission('alice'));
  expect(verdictOf(await send(submission('bob')))).toBe('maxJobsPerGear');
  expect(Object.keys(await charged()).sort()).toEqual(['bytes', 'bytes:alice', 'jobs:alice']);
});

/** Every way in which a job ends, or an id leaves the queue without one. */
const endings: [string, Partial<JobSubmission>, (id: string) => Promise<unknown>][] = [
  ['has finished', {}, finish],
  [
    'was cancelled while it was queued',
    {},
    async (id) => {
      const record = await queue.job(id);
      if (!record) throw new Error('no record');
      expect(await queue.cancel(record, 'sealed')).toBe('queued');
      await charged();
      await worker.records.drop(record.job); // As the worker does that finds it over.
    },
  ],
  [
    'has expired',
    { expires: 0 },
    (id) => until('it has expired', async () => (await queue.job(id))?.job.error?.code === 'expired'),
  ],
  ['was on a host that was removed', {}, () => queue.removeHost('h1')],
  [
    'has no record any more',
    {},
    async (id) => {
      await redis.redis.del(keys.job('h1', id));
      await worker.records.forget(id);
    },
  ],
];

test.each(endings)('the charge of a job that %s is given back, once', async (_, more, end) => {
  await open({});
  const [one, other] = [submission('alice', more), submission('bob')];
  await send(one);
  await send(other);
  expect((await charged())['jobs:alice']).toBe(1);
  await end(one.id);
  const left = await charged();
  expect(left['jobs:alice']).toBeUndefined();
  expect(left['bytes:alice']).toBeUndefined();
  if (_ !== 'was on a host that was removed') expect(left['jobs:bob']).toBe(1);
});

test.each<[string, Partial<JobLimits>]>([
  ['the host', { maxJobs: 3 }],
  ['the gear', { maxJobsPerGear: 3 }],
  ['the user', { userJobs: 3 }],
])('jobs that have waited too long for an offline host leave the room of %s to others, although nobody has read them', async (_, limits) => {
  await open(limits);
  const late = [1, 2].map(() => submission('alice', { expires: 0 }));
  for (const one of [...late, submission('alice')])
    expect(verdictOf(await sendOffline(one))).toBe('accepted');
  const expiry = async () => Number(await redis.redis.hget(keys.job('h1', late[1]?.id ?? ''), 'expiresAt'));
  await until('their time is up', async () => Date.now() > (await expiry()) + 1_000); // Redis compares seconds.
  expect(verdictOf(await sendOffline(submission('alice')))).toBe('accepted');
  expect((await queue.job(late[0]?.id ?? ''))?.job.error?.code).toBe('expired');
  expect(verdictOf(await sendOffline(submission('alice')))).toBe('accepted');
  expect(verdictOf(await sendOffline(submission('alice')))).toBe(Object.keys(limits)[0]);
  expect((await charged())['jobs:alice']).toBe(3);
});

test('after 300 jobs of five users that end in all ways nothing is charged', async () => {
  await open({ userJobs: 100 });
  const sent = Array.from({ length: 300 }, (_, n) => submission(`user-${n % 5}`, { size: n * 10 }));
  await Promise.all(sent.map(send));
  await charged();
  const end = async ({ id }: JobSubmission, n: number) => {
    if (n % 3 === 0) return finish(id);
    const record = await queue.job(id);
    if (!record) throw new Error('no record');
    if (n % 3 === 1) return queue.cancel(record, 'sealed');
    await Promise.all([finish(id), queue.cancel(record, 'sealed')]);
  };
  await Promise.all(sent.map(end));
  expect(await charged()).toEqual({});
  expect(await redis.redis.exists(keys.charges('h1'), keys.charged('h1'))).toBe(0);
});
