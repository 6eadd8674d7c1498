import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Scope } from '../../src/jobs/access/scope.ts';
import { deleteEntry, insertEntryIfAbsent, listNames, readEntry } from '../../src/queue/directory/entries.ts';
import { keys } from '../../src/queue/redis/keys.ts';
import { openTestRedis, type TestRedis } from '../support/redis.ts';

let redis: TestRedis;
beforeEach(async () => {
  redis = await openTestRedis();
});
afterEach(() => redis.close());

const team = ['team-a', 'team-a-1', 'team-a-2', 'team-a-3', 'team-b-1', 'team.a'];

async function enter(names: string[], host = 'h1'): Promise<void> {
  await Promise.all(names.map((name) => insertEntryIfAbsent(redis.redis, 'gear', name, host)));
  await redis.redis.sadd(keys.held(host, 'gear'), ...names);
}

async function page(scope: Scope, limit = 100, after?: string) {
  const { names, next } = await listNames(redis.redis, 'gear', scope, { limit, after });
  return { names: names.map(([name]) => name), next };
}

/** Times that each command was called, in scripts too. */
async function calls(): Promise<Record<string, number>> {
  const info = await redis.redis.info('commandstats');
  return Object.fromEntries(
    [...info.matchAll(/^cmdstat_(\w+):calls=(\d+)/gm)].map(([, name, n]) => [name, Number(n)]),
  );
}

test('a page of gears reads the names on it and not the whole directory (security M3, house 7.10)', async () => {
  await enter(Array.from({ length: 3_000 }, (_, n) => `other-${n}`));
  await enter(team);
  await redis.redis.config('RESETSTAT');
  expect(await page({ r: 'team-a-*' }, 2)).toEqual({ names: ['team-a-1', 'team-a-2'], next: 'team-a-2' });
  expect(await calls()).toMatchObject({ zrangebylex: 1, hmget: 1 });
  expect(Object.keys(await calls())).not.toContain('hgetall');
});

test.each<[string, Scope, string | undefined, string[]]>([
  ['everything', {}, undefined, team],
  ['a name', { r: 'team-a' }, undefined, ['team-a']],
  ['the beginning of names', { r: 'team-a*' }, undefined, ['team-a', 'team-a-1', 'team-a-2', 'team-a-3']],
  ['what comes behind a name', { r: 'team-a-*' }, 'team-a-1', ['team-a-2', 'team-a-3']],
  ['what comes behind a name before all of it', { r: 'team-b-*' }, 'team-a-1', ['team-b-1']],
  ['nothing behind a name after all of it', { r: 'team-a-*' }, 'team-b', []],
  ['nothing behind itself', { r: 'team-a' }, 'team-a', []],
  ['what a host holds', { h: 'h1', r: 'team-a-*' }, 'team-a-1', ['team-a-2', 'team-a-3']],
  ['nothing of a host that holds nothing', { h: 'h2' }, undefined, []],
  ['nothing of a name that nobody has', { r: 'nobody' }, undefined, []],
])('a scope takes in %s', async (_, scope, after, names) => {
  await enter(team);
  expect(await page(scope, 100, after)).toEqual({ names, next: null });
});

test('pages follow each other without a gap, of a host too, and a name that another host has is not its', async () => {
  await enter(team.slice(0, 3));
  await enter(team.slice(3), 'h2');
  await redis.redis.sadd(keys.held('h1', 'gear'), 'team-b-1'); // It says so; the directory knows better.
  for (const [scope, all] of [
    [{}, team],
    [{ h: 'h1' }, team.slice(0, 3)],
  ] as const) {
    const seen: string[] = [];
    let next: string | null = '';
    while (next !== null) {
      const one: Awaited<ReturnType<typeof page>> = await page(scope, 2, next);
      seen.push(...one.names);
      next = one.next;
    }
    expect(seen).toEqual(all);
  }
});

test('a name that is out of the directory is in no list', async () => {
  await enter(team);
  const entry = await readEntry(redis.redis, 'gear', 'team-a-2');
  if (!entry) throw new Error('there is no entry');
  expect(await deleteEntry(redis.redis, 'gear', 'team-a-2', entry, 0)).toBe(true);
  expect((await page({ r: 'team-a-*' })).names).toEqual(['team-a-1', 'team-a-3']);
  expect(await redis.redis.zrange(keys.names('gear'), '0', '-1')).toEqual(
    (await redis.redis.hkeys(keys.holders('gear'))).sort(),
  );
});
