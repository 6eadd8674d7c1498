import { type ChildProcess, spawn } from 'node:child_process';
import pino from 'pino';
import { afterEach, expect, test } from 'vitest';
import { failFastConnection } from '../../src/queue/redis/connection.ts';
import { preflight, watchFitness } from '../../src/queue/redis/preflight.ts';
import { freePort } from '../support/free-port.ts';
import { openTestRedis, type TestRedis } from '../support/redis.ts';
import { openTestCluster } from '../support/redis-cluster.ts';
import { until } from '../support/until.ts';

let closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.reverse()) await close();
  closers = [];
});

async function redisWith(...options: string[]): Promise<TestRedis> {
  const redis = await openTestRedis(options);
  closers.push(redis.close);
  return redis;
}

/** A log, and what was said at its levels. */
function listen() {
  const said: { level: number; msg: string }[] = [];
  const log = pino({}, { write: (line: string) => void said.push(JSON.parse(line)) });
  const at = (level: 'warn' | 'error') =>
    said.filter((line) => line.level === pino.levels.values[level]).map(({ msg }) => msg);
  return { log, at };
}

test('a Redis that keeps its jobs is taken without a word', async () => {
  const { log, at } = listen();
  await preflight({ url: (await redisWith()).url }, log);
  expect([...at('warn'), ...at('error')]).toEqual([]);
});

test.each([
  [
    'evicts',
    ['--maxmemory-policy', 'allkeys-lru'],
    /evicts jobs .*allkeys-lru.*: CONFIG SET maxmemory-policy noeviction/,
  ],
  [
    'does not persist',
    ['--appendonly', 'no'],
    /does not keep jobs over a restart.*: CONFIG SET appendonly yes/,
  ],
])('a Redis that %s is refused, and taken when it was mended as that says', async (_, options, reason) => {
  // Later options count; those of a test's Redis come last.
  const redis = await redisWith();
  const wrong = options.map((word) => word.replace(/^--/, ''));
  await redis.redis.config('SET', wrong[0] ?? '', wrong[1] ?? '');
  const { log } = listen();
  const { message } = (await preflight({ url: redis.url }, log).catch((error: Error) => error)) as Error;
  expect(message).toMatch(reason);
  const [, name = '', value = ''] = /CONFIG SET (\S+) ([^\s,]+)/.exec(message) ?? [];
  await redis.redis.config('SET', name, value);
  await preflight({ url: redis.url }, log);
});

test('every master of a Cluster is looked at, and the one that does not fit is named', async () => {
  const cluster = await openTestCluster();
  closers.push(cluster.close);
  const { log } = listen();
  await preflight({ url: cluster.url }, log);
  await cluster.nodes[1]?.config('SET', 'maxmemory-policy', 'volatile-ttl');
  const port = cluster.nodes[1]?.options.port;
  await expect(preflight({ url: cluster.url }, log)).rejects.toThrow(`127.0.0.1:${port} evicts jobs`);
});

test('a Redis that is away, or may not be asked, is told in the log and holds nobody up', async () => {
  const { log, at } = listen();
  const started = Date.now();
  await preflight({ url: `redis://127.0.0.1:${await freePort()}` }, log);
  await preflight({ url: `redis+cluster://127.0.0.1:${await freePort()}` }, log);
  await preflight({ url: `redis+sentinel://127.0.0.1:${await freePort()}/fleet` }, log);
  const redis = await redisWith();
  await redis.redis.call('ACL', ['SETUSER', 'default', '-info']);
  await preflight({ url: redis.url }, log);
  process.kill(redis.pid, 'SIGSTOP');
  await preflight({ url: redis.url }, log);
  process.kill(redis.pid, 'SIGCONT');
  expect(at('warn')).toHaveLength(5);
  expect(Date.now() - started).toBeLessThan(8_000);
});

test('whoever is connected tells at every connect what is wrong, and goes on', async () => {
  const redis = await redisWith('--maxmemory-policy', 'allkeys-lfu');
  const { log, at } = listen();
  const connection = failFastConnection({ url: redis.url }, pino({ level: 'silent' }));
  closers.push(() => connection.disconnect());
  watchFitness(connection, log);
  await until('it is told', () => at('error').length === 1);
  await redis.restart();
  await until('it is told again', () => at('error').length === 2);
  expect(at('error')[1]).toMatch(/evicts jobs/);
});

test.each(['api', 'worker'])('gear %s exits with 1 and says what mends it', async (role) => {
  const redis = await redisWith('--maxmemory-policy', 'volatile-lru');
  await redis.redis.config('SET', 'appendonly', 'no');
  const child: ChildProcess = spawn(
    process.execPath,
    ['bin/gear', role, '--redis', redis.url, '--test-token', '--log-level', 'silent'],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    said += String(chunk);
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  expect(code).toBe(1);
  expect(said).toMatch(/^gear \w+: this Redis evicts jobs .*CONFIG SET maxmemory-policy noeviction/m);
  expect(said).toMatch(/^gear \w+: this Redis does not keep jobs .*CONFIG SET appendonly yes/m);
});
