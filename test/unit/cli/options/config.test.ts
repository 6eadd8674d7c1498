import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { type BadConfig, lifetimesOf, readConfig } from '../../../../src/cli/options/config.ts';
import { optionTable } from '../../../../src/cli/options/options.ts';

const lines = (...args: Parameters<typeof readConfig>): string[] => {
  try {
    readConfig(...args);
    return [];
  } catch (error) {
    return (error as BadConfig).lines;
  }
};

test('a flag overrides its environment variable, which overrides the default', () => {
  const environment = { GEARD_LISTEN: '127.0.0.1:1', GEARD_BASE: '/b', GEARD_TEST_TOKEN: '1' };
  const config = readConfig('daemon', { listen: '[::1]:2' }, environment);
  expect(config).toMatchObject({
    listen: { host: '::1', port: 2 },
    base: '/b',
    testToken: true,
    dedupeDays: 7,
    redis: null,
  });
});

test('everything that is wrong is said at once, each by the name it was given under', () => {
  const wrong = lines(
    'daemon',
    { listen: 'here', maxJobs: '0' },
    { GEARD_HOST: 'UPPER', GEARD_TEST_TOKEN: 'perhaps' },
  );
  expect(wrong).toHaveLength(4);
  expect(wrong.join('\n')).toMatch(/--listen: must be ADDRESS:PORT[\s\S]*GEARD_HOST \(--host\)/);
});

test('the test token is not served beyond loopback unless that is asked for by name', () => {
  expect(
    lines('api', { testToken: true, redis: 'redis://127.0.0.1', listen: '0.0.0.0:2223' }, {}).join(),
  ).toContain('--insecure-test-token');
  expect(
    lines(
      'api',
      { testToken: true, redis: 'redis://127.0.0.1', listen: '0.0.0.0:2223', insecureTestToken: true },
      {},
    ),
  ).toEqual([]);
});

test('without a way to verify tokens nothing starts', () => {
  for (const role of ['daemon', 'api', 'worker'] as const) {
    const [line, ...others] = lines(role, { redis: 'redis://127.0.0.1' }, {});
    expect(line).toContain('--keys is missing');
    expect(line).toContain('gear token keygen');
    expect(line).toContain('--test-token');
    expect(others).toEqual([]);
  }
  expect(lines('daemon', { keys: '/etc/geard/keys', listen: '0.0.0.0:2223' }, {})).toEqual([]);
});

test('a token that only reads may live at least as long as one that changes something', () => {
  const hours = (tokenHours: number, tokenReadHours: number) =>
    Object.values(lifetimesOf({ tokenHours, tokenReadHours })).map((seconds) => seconds / 3600);
  expect([hours(24, 168), hours(48, 24)]).toEqual([
    [24, 168],
    [48, 48],
  ]);
});

test('api and worker do not start without a Redis to meet in', () => {
  for (const role of ['api', 'worker'] as const)
    expect(lines(role, { testToken: true }, {}).join()).toContain('--redis is missing');
});

test.each([
  ['TLS without a rediss:// address', { redis: 'redis://127.0.0.1', redisCa: '/ca' }, '--redis rediss://'],
  [
    'TLS for a Cluster that is not spoken to with it',
    { redis: 'redis+cluster://127.0.0.1:1', redisCa: '/ca' },
    'rediss+',
  ],
  ['a certificate without its key', { redis: 'rediss://r', redisCert: '/c' }, 'belong together'],
  ['a user of a Redis that is not named', { redisUser: 'x' }, 'is for the Redis that --redis names'],
])('%s is refused', (_, flags, reason) => {
  expect(lines('daemon', { testToken: true, ...flags }, {}).join()).toContain(reason);
});

const withRedis = (redis: string, more: Record<string, string | boolean> = {}) =>
  lines('api', { testToken: true, redis, ...more }, {}).join('\n');

test.each([
  ['redis://r'],
  ['redis://10.0.0.1:6379'],
  ['redis://127.0.0.1.example'],
  ['redis://[2001:db8::1]:6379/3'],
  ['redis+sentinel://127.0.0.1:1,10.0.0.1:1/m'],
  ['redis+cluster://127.0.0.1:1,r:1'],
])('%s is beyond loopback: it is taken with TLS and a password, or where that is asked for by name (security L8)', (redis) => {
  expect(withRedis(redis)).toMatch(/rediss:\/\/[\s\S]*--redis-password-file/);
  expect(withRedis(redis, { redisPasswordFile: '/p' })).toMatch(/rediss:\/\/[^\n]*--insecure-redis[^\n]*$/);
  const secure = redis.replace('redis', 'rediss');
  expect(withRedis(secure)).toMatch(/^[^\n]*--redis-password-file[^\n]*--insecure-redis[^\n]*$/);
  expect(withRedis(secure, { redisPasswordFile: '/p' })).toBe('');
  expect(withRedis(secure.replace('://', '://u:p@'))).toBe('');
  expect(withRedis(redis, { insecureRedis: true })).toBe('');
});

test.each([
  'unix:/run/redis.sock',
  'redis://localhost',
  'redis://127.0.0.2:6379/1',
  'redis://[::1]:6379',
  'redis+sentinel://127.0.0.1:1,[::1]:2/m',
  'redis+cluster://localhost:1',
])('%s is this machine: it is taken as it is', (redis) => {
  expect(withRedis(redis)).toBe('');
});

test('docs/operations.md has every option with its variable, and no other', () => {
  const page = readFileSync('docs/operations.md', 'utf8');
  const rows = [...page.matchAll(/^\| `(--[\w-]+)[^`]*` \| `(GEARD_\w+)` \|/gm)].map(
    ([, flag, env]) => `${flag} ${env}`,
  );
  expect(rows.sort()).toEqual(
    Object.values(optionTable)
      .map(({ flag, env }) => `${flag} ${env}`)
      .sort(),
  );
});
