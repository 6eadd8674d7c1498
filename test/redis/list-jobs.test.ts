import { afterAll, beforeAll, expect, test } from 'vitest';
import type { JobState } from '../../src/jobs/job.ts';
import { type JobFilter, listJobs } from '../../src/queue/records/list-jobs.ts';
import { createRecordReader } from '../../src/queue/records/read-records.ts';
import { keys, listKeys } from '../../src/queue/redis/keys.ts';
import { openTestRedis, type TestRedis, timesSent } from '../support/redis.ts';

const count = 6_000;
const idOf = (n: number) => n.toString(16).padStart(32, '0');
let redis: TestRedis;

/** A long history of one team on two hosts, of which one job has failed, and a few old jobs of others. */
function jobOf(n: number) {
  const host = `h${1 + (n % 2)}`;
  const team = n <= 20 ? 'team-b' : 'team-a';
  const user = n === 1 ? 'seldom' : team;
  return { type: 'container.stop', resource: `${team}-${n % 40}`, host, user };
}
const stateOf = (n: number): JobState => (n === 3_000 ? 'failed' : n === 4_000 ? 'running' : 'succeeded');
/** Each is accepted in one microsecond with another one, on another host. */
const orderOf = (n: number) => Math.ceil(n / 2);

beforeAll(async () => {
  redis = await openTestRedis();
  const createdAt = new Date().toISOString();
  const batch = redis.redis.pipeline();
  for (let n = 1; n <= count; n++) {
    const job = jobOf(n);
    const state = stateOf(n);
    batch.hset(keys.job(job.host, idOf(n)), { ...job, createdAt, fingerprint: 'f' });
    batch.hset(keys.run(job.host, idOf(n)), { state });
    const [names = '', ...lists] = listKeys(job.host, job, state === 'running' ? undefined : state);
    for (const list of lists) batch.zadd(list, orderOf(n), idOf(n));
    if (state === 'running') batch.zadd(keys.open(job.host), orderOf(n), idOf(n));
    batch.zadd(names, 0, job.resource);
    batch.set(keys.id(idOf(n)), `${job.host} ${n}`);
  }
  await batch.exec();
});
afterAll(() => redis.close());

/** A page, and how many records were looked at for it. */
async function page(filter: JobFilter, limit: number, after?: string, signal?: AbortSignal) {
  let looked = 0;
  const reader = createRecordReader(redis.redis, { now: Date.now }, 1_000);
  const read: typeof reader.shown = (places) => {
    looked += places.length;
    return reader.shown(places);
  };
  const { h = ['h1', 'h2'] } = filter;
  const options = { limit, after, signal };
  const { jobs, next } = await listJobs(redis.redis, [h].flat(), read, filter, options);
  return { ids: jobs.map(({ id }) => id), next, looked };
}

/** All pages, and the most records that were looked at for one. */
async function pages(filter: JobFilter, limit: number) {
  const seen: string[] = [];
  let most = 0;
  let next: string | null = null;
  do {
    const one: Awaited<ReturnType<typeof page>> = await page(filter, limit, next ?? undefined);
    seen.push(...one.ids);
    most = Math.max(most, one.looked);
    next = one.next;
  } while (next !== null);
  return { seen, most };
}

/** The ids of the jobs that are to be found, newest first. */
const expected = (fits: (n: number) => boolean) =>
  Array.from({ length: count }, (_, i) => count - i)
    .filter(fits)
    .map(idOf);

test.each<[string, JobFilter, (n: number) => boolean]>([
  ['one user', { u: 'seldom' }, (n) => n === 1],
  ['one resource', { r: 'team-b-7' }, (n) => n === 7],
  ['resources whose names begin alike', { r: 'team-b-*' }, (n) => n <= 20],
  ['a resource of a user, of which there are many', { u: 'team-a', r: 'team-b-1*' }, () => false],
  ['one state', { state: 'failed' }, (n) => n === 3_000],
  ['one state of a user', { u: 'seldom', state: 'succeeded' }, (n) => n === 1],
  ['unfinished ones', { state: 'running' }, (n) => n === 4_000],
  ['one user on a host', { u: 'seldom', h: 'h2' }, (n) => n === 1],
  ['one user on a host where he has none', { u: 'seldom', h: 'h1' }, () => false],
  ['nobody', { u: 'nobody' }, () => false],
  ['no resource', { r: 'team-c-*' }, () => false],
])('a page of jobs costs what it returns, however long the history: %s (security M4, house 7.10)', async (_, filter, fits) => {
  const { ids, next, looked } = await page(filter, 100);
  expect(ids).toEqual(expected(fits));
  expect(next).toBeNull();
  expect(looked).toBeLessThanOrEqual(ids.length + 11);
});

test.each<[string, JobFilter, (n: number) => boolean]>([
  ['all', {}, () => true],
  ['a user', { u: 'team-a' }, (n) => n > 20],
  ['many resources', { r: 'team-a-*' }, (n) => n > 20],
  ['a state', { state: 'succeeded' }, (n) => n !== 3_000 && n !== 4_000],
])('pages follow each other without a gap and without a job twice: %s', async (_, filter, fits) => {
  for (const limit of [777, 1_000]) {
    const { seen, most } = await pages(filter, limit);
    expect(seen).toEqual(expected(fits));
    expect(most).toBeLessThan(limit + 260);
  }
});

test('a page whose end falls between jobs of one microsecond goes on with the others', async () => {
  expect((await pages({ r: 'team-b-*' }, 1)).seen).toEqual(expected((n) => n <= 20));
});

test('where no list fits, a page looks at a bounded number of jobs, and says where to go on', async () => {
  const filter = { types: ['container.install'] };
  const first = await page(filter, 100);
  expect(first).toMatchObject({ ids: [], next: `${orderOf(count) - first.looked / 2 + 1}-` });
  expect(first.looked).toBeLessThan(1_250);
  expect((await pages(filter, 100)).seen).toEqual([]);
  await redis.redis.config('RESETSTAT');
  await page(filter, 1); // A small page is not looked for in small steps.
  expect(await timesSent(redis, 'zrevrangebyscore')).toBeLessThan(2 * 15);
});

test('whether an id of others exists can not be told from what comes behind it (security L6)', async () => {
  const behind = async (after: string) => {
    const { ids, next } = await page({ u: 'team-b', r: 'team-b-*' }, 100, after);
    return { ids, next };
  };
  expect((await behind('a')).ids).toEqual(expected((n) => n > 1 && n < 10));
  const foreign = await behind(idOf(5_000));
  expect(foreign).toEqual({ ids: [], next: null });
  expect(await behind('ffff')).toEqual(foreign);
  await expect(behind('neither an id nor a next')).rejects.toMatchObject({ code: 'invalid_request' });
});

test('where to go on tells no id that was not shown', async () => {
  const { next } = await page({ r: 'team-a-1' }, 10);
  expect(next).toMatch(/^\d+-[0-9a-f]{32}$/);
  const { next: none } = await page({ u: 'team-a', types: ['host.*'] }, 10);
  expect(none).toMatch(/^\d+-$/);
});

test('nothing more is read when the client has left', async () => {
  const gone = new AbortController();
  gone.abort(new Error('the client has left'));
  await expect(page({ u: 'seldom' }, 100, undefined, gone.signal)).rejects.toThrow('has left');
});
