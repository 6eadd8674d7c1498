import { afterAll, beforeAll, expect, test } from 'vitest';
import { keys } from '../../src/queue/keys.ts';
import { readJobOf } from '../../src/queue/ledger.ts';
import { listJobs } from '../../src/queue/list-jobs.ts';
import { openTestRedis, type TestRedis } from '../support/redis.ts';

const count = 6_000;
const idOf = (n: number) => n.toString(16).padStart(32, '0');
let redis: TestRedis;

/** A long history of one user, and one old job of another. */
beforeAll(async () => {
  redis = await openTestRedis();
  const createdAt = new Date().toISOString();
  const batch = redis.redis.pipeline();
  for (let n = 1; n <= count; n++) {
    const user = n === 1 ? 'seldom' : 'often';
    const job = { type: 'container.stop', resource: 'web', host: 'h1', user, createdAt, fingerprint: 'f' };
    batch.hset(keys.job('h1', idOf(n)), job);
    batch.zadd(keys.jobs('h1'), n, idOf(n));
    batch.set(keys.id(idOf(n)), `h1 ${n}`);
  }
  await batch.exec();
});
afterAll(() => redis.close());

/** A page, and how many records were looked at for it. */
async function page(u: string, limit: number, after?: string, signal?: AbortSignal) {
  let looked = 0;
  const read = (host: string, id: string) => {
    looked++;
    return readJobOf(redis.redis, host, id);
  };
  const { jobs, next } = await listJobs(redis.redis, ['h1'], read, { u }, { limit, after, signal });
  return { ids: jobs.map(({ id }) => id), next, looked };
}

test('a filter that fits few jobs looks at a bounded number of them, and says where to go on', async () => {
  const first = await page('seldom', 100);
  expect(first).toMatchObject({ ids: [], next: idOf(count - 4_999), looked: 5_000 });
  const second = await page('seldom', 100, first.next ?? '');
  expect(second).toMatchObject({ ids: [idOf(1)], next: null });
});

test('pages follow each other without a gap and without a job twice', async () => {
  const seen: string[] = [];
  let next: string | null = null;
  do {
    const one: Awaited<ReturnType<typeof page>> = await page('often', 777, next ?? undefined);
    expect(one.looked).toBeLessThan(900);
    seen.push(...one.ids);
    next = one.next;
  } while (next !== null);
  expect(seen).toEqual(Array.from({ length: count - 1 }, (_, i) => idOf(count - i)));
});

test('nothing more is read when the client has left', async () => {
  const gone = new AbortController();
  gone.abort(new Error('the client has left'));
  await expect(page('seldom', 100, undefined, gone.signal)).rejects.toThrow('has left');
});
