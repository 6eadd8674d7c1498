import { afterEach, beforeEach, expect, test } from 'vitest';
import type { JobFilter } from '../../src/queue/records/list-jobs.ts';
import { keys } from '../../src/queue/redis/keys.ts';
import { type FleetQueue, openFleetQueue, stopping } from '../support/fleet-queue.ts';
import { to } from '../support/queue.ts';
import { openTestRedis, type TestRedis } from '../support/redis.ts';
import { until } from '../support/until.ts';

/** Seconds for which a finished job is kept here, and for which a list may live; see support/fleet-queue.ts. */
const keepSeconds = 1_000;
const longest = 86_400 + 86_400 + keepSeconds + 3_600;

let redis: TestRedis;
let queue: FleetQueue;
beforeEach(async () => {
  redis = await openTestRedis();
  queue = await openFleetQueue(redis.url);
  await queue.hold('web', 'db');
});
afterEach(async () => {
  await queue.close();
  await redis.close();
});

const ids = async (filter: JobFilter) =>
  (await queue.queue.listJobs(filter, 100)).jobs.map(({ id }) => id).reverse();

async function expectListed(byFilter: [JobFilter, string[]][]): Promise<void> {
  for (const [filter, expected] of byFilter) expect([filter, await ids(filter)]).toEqual([filter, expected]);
}

/** What a job leaves when its record has expired: nothing but its id in lists. */
const forget = (id: string) => redis.redis.del(keys.job('h1', id), keys.run('h1', id));

test('a job is found by its user, its resource and its state from its acceptance to its end', async () => {
  const [web, db] = [await queue.accepted('web'), await queue.accepted('db')];
  await expectListed([
    [{ state: 'queued' }, [web, db]],
    [{ u: '0' }, [web, db]],
    [{ u: '1' }, []],
    [{ r: 'web' }, [web]],
    [{ r: 'd*' }, [db]],
  ]);
  const record = await queue.worker.records.read(web);
  if (!record) throw new Error('there is no record');
  await queue.worker.records.begin(record);
  await expectListed([
    [{ state: 'running' }, [web]],
    [{ state: 'queued' }, [db]],
  ]);
  await queue.worker.records.finish(record, { state: 'succeeded', result: null }, true);
  await expectListed([
    [{ state: 'running' }, []],
    [{ state: 'succeeded' }, [web]],
    [{ r: 'web', u: '0' }, [web]],
  ]);
});

test('a job that an api has ended is found by its end: cancelled, expired, or gone with its host', async () => {
  const cancelled = await queue.accepted('web');
  const record = await queue.queue.job(cancelled);
  if (!record) throw new Error('there is no record');
  expect(await queue.queue.cancel(record, 'sealed')).toBe('queued');
  const late = { ...stopping('web'), expires: 1 };
  await queue.queue.accept(late, to('h1'));
  const lost = await queue.accepted('db');
  await expectListed([[{ state: 'cancelled' }, [cancelled]]]);
  // Nobody has read it since: that it has failed is found by who looks for what has.
  await until('it is too late', async () => (await ids({ state: 'failed' })).length === 1, 5_000);
  await expectListed([[{ state: 'failed' }, [late.id]]]);
  await queue.queue.removeHost('h1');
  await expectListed([[{ state: 'failed', h: 'h1' }, [late.id, lost]]]);
});

test('a list lives as long as any job in it, and no longer', async () => {
  const id = await queue.accepted('web');
  const lists = await redis.redis.keys('geard:{h1}:accepted*');
  expect(lists).toHaveLength(3);
  const lifeOf = async (key: string) => redis.redis.ttl(key);
  for (const key of [...lists, keys.resources('h1')]) {
    expect(await lifeOf(key)).toBeLessThanOrEqual(longest);
    expect(await lifeOf(key)).toBeGreaterThan(longest - 60);
  }
  // It runs for longer than anybody thought.
  await redis.redis.del(...lists, keys.resources('h1'));
  expect(await queue.execute(id)).toBe('succeeded');
  await expectListed([
    [{ u: '0' }, [id]],
    [{ r: 'we*' }, [id]],
    [{ state: 'succeeded' }, [id]],
  ]);
  for (const key of [...lists, keys.jobsBy('h1', 'state', 'succeeded')])
    expect(await lifeOf(key)).toBeGreaterThan(keepSeconds - 60);
});

test('the lists do not outgrow the records', async () => {
  const kept = 20;
  const all: string[] = [];
  await queue.hold(...Array.from({ length: 200 }, (_, n) => `once-${n}`));
  for (let n = 0; n < 200; n++) {
    const id = await queue.accepted(`once-${n}`);
    await queue.execute(id);
    all.push(id);
    const oldest = all.at(-1 - kept);
    if (oldest !== undefined) await forget(oldest);
    if (n >= kept) await redis.redis.del(keys.jobsBy('h1', 'resource', `once-${n - kept}`)); // As its time is over.
  }
  const lists = [keys.jobs('h1'), keys.jobsBy('h1', 'user', '0'), keys.jobsBy('h1', 'state', 'succeeded')];
  for (const key of lists) expect(await redis.redis.zcard(key)).toBeLessThanOrEqual(kept + 2);
  expect(await redis.redis.zcard(keys.resources('h1'))).toBeLessThan(4 * kept);
  expect(await ids({})).toEqual(all.slice(-kept));
});

test('a list of jobs does not read the sealed requests, which only their worker needs', async () => {
  const id = await queue.accepted('web');
  await redis.redis.hset(keys.job('h1', id), 'sealed', 'x'.repeat(1_000_000));
  const sent = async () =>
    Number(/^total_net_output_bytes:(\d+)/m.exec(await redis.redis.info('stats'))?.[1]);
  const before = await sent();
  await expectListed([[{}, [id]]]);
  expect((await sent()) - before).toBeLessThan(500_000);
});
