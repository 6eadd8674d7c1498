import { mkdtemp, open, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import pino from 'pino';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { readConfig } from '../../src/cli/options/config.ts';
import { openRole } from '../../src/cli/roles/open-role.ts';
import { createClosers } from '../../src/lib/async/closers.ts';
import { lastFile } from '../../src/queue/private-redis/append-only-file.ts';
import {
  openPrivateRedis,
  type PrivateRedis,
  untilLoaded,
} from '../../src/queue/private-redis/private-redis.ts';
import { hostPaths } from '../../src/worker/domain/paths.ts';
import { lockHost } from '../../src/worker/host/host-lock.ts';
import { listening } from '../support/listening.ts';
import { ok, run } from '../support/run.ts';
import { until } from '../support/until.ts';

let base: string;
let opened: PrivateRedis | null;
let told: { level: number; msg: string; reason?: string; meaning?: string }[];
/** What Redis itself has printed. */
let printed: string;

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'geard-private-'));
  opened = null;
  told = [];
  printed = '';
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    printed += String(text);
    return true;
  });
});
afterEach(async () => {
  await opened?.close();
  vi.restoreAllMocks();
  await run('umount', base); // Where the test has mounted something.
  await rm(base, { recursive: true });
});

const log = pino({ level: 'info' }, { write: (line: string) => void told.push(JSON.parse(line)) });
const start = async () => {
  opened = await openPrivateRedis(base, log);
};
const stop = async () => {
  await opened?.close();
  opened = null;
  told = [];
  printed = '';
};

/** Does something with a connection of its own. */
async function using<T>(work: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis({ path: join(base, 'redis/redis.sock'), retryStrategy: () => null });
  redis.on('error', () => undefined);
  try {
    return await work(redis);
  } finally {
    redis.disconnect();
  }
}
const write = (name: string, value = 'x') =>
  using((redis) => redis.multi().set(name, value).set(`${name}-too`, value).exec());
const names = () => using(async (redis) => (await redis.keys('*')).sort());

/** The append-only file to which Redis has written last. */
const writtenFile = async () => String(await lastFile(join(base, 'redis')));

/** Cuts a file in the middle of the last transaction, after its first command. */
async function cutTransaction(): Promise<void> {
  const file = await writtenFile();
  await truncate(file, (await stat(file)).size - 30);
}

/** What a file system may leave of it after a power cut: the length of a write, and none of its bytes. */
async function cutPower(): Promise<void> {
  await cutTransaction();
  const file = await writtenFile();
  await truncate(file, (await stat(file)).size + 100_000);
}

test.each([
  ['was cut at its end', cutTransaction],
  ['ends with what a power cut has kept from the disk', cutPower],
])('a file that %s is told with what it means, and the next start says nothing more of it (reliability 5)', async (_what, cut) => {
  await start();
  await write('a');
  await write('b');
  await stop();
  await cut();
  await start();
  expect(await names()).toEqual(['a', 'a-too']);
  expect(told).toMatchObject([
    { level: 40, msg: 'redis has cut its append-only file, which was not written to its end' },
  ]);
  expect(told[0]?.meaning).toMatch(/no acknowledged write is lost/);
  await write('c');
  await stop();
  await start();
  expect(await names()).toEqual(['a', 'a-too', 'c', 'c-too']);
  expect(told).toEqual([]);
  expect(printed).not.toMatch(/MULTI|Truncat/);
});

test('what is acknowledged after a cut is there after the next start', async () => {
  await start();
  await write('a');
  await stop();
  await cutTransaction();
  await start();
  await using((redis) => redis.set('after', 'x'));
  await stop();
  await start();
  expect(await names()).toEqual(['after']);
});

test('a file that is damaged in its middle ends the start at once, with words that mend it (reliability 5)', async () => {
  await start();
  for (let i = 0; i < 20; i++) await write(`n${i}`);
  await stop();
  const file = await open(await writtenFile(), 'r+');
  await file.write('XXXXXXXXXX', Math.floor((await file.stat()).size / 2));
  await file.close();
  const started = Date.now();
  const error = await start().catch((reason: Error) => reason);
  expect(Date.now() - started).toBeLessThan(5_000);
  const manifest = join(base, 'redis/appendonlydir/appendonly.aof.manifest');
  const { message = '' } = error ?? {};
  expect(message).toContain(`its append-only file ${manifest} is damaged`);
  expect(message).toContain(`copy ${base}/redis away and run: redis-check-aof --fix ${manifest}`);
  expect(message).toContain(`or move ${base}/redis away`);
  const [command = ''] = /redis-check-aof --fix .*/.exec(message) ?? [];
  await ok('/bin/sh', '-c', `echo y | ${command}`);
  await start();
  expect(await names()).toContain('n0');
});

const mountSmall = () => ok('mount', '-t', 'tmpfs', '-o', 'size=400k', 'tmpfs', base);

test('a disk that is full at the start ends it at once, and is named', async () => {
  await mountSmall();
  await start();
  await stop();
  await rm(join(base, 'redis/appendonlydir'), { recursive: true });
  await writeFile(join(base, 'ballast'), Buffer.alloc(500_000)).catch(() => undefined);
  await expect(start()).rejects.toThrow(`the disk of ${base}/redis is full; make room on it`);
});

test('a disk that fills up is named in the log; Redis goes on with what was acknowledged when there is room (reliability 4)', async () => {
  await mountSmall();
  await start();
  await writeFile(join(base, 'ballast'), Buffer.alloc(200_000));
  const acknowledged: string[] = [];
  await until('the disk is full', async () => {
    const name = `n${acknowledged.length}`;
    const stored = await using((redis) => redis.set(name, 'x'.repeat(20_000))).catch(() => null);
    if (stored === 'OK') acknowledged.push(name);
    return stored === null;
  });
  const ended = await until('the log tells of it', () => told.find(({ level }) => level === 50));
  expect(ended.msg).toBe('redis ended by itself; starting it again');
  expect(ended.reason).toContain(`the disk of ${base}/redis is full; make room on it`);
  await rm(join(base, 'ballast'));
  await until('it takes writes again', () => using((redis) => redis.set('after', 'x')).catch(() => null));
  expect(await names()).toEqual([...acknowledged, 'after'].sort());
});

test('a Redis that loads for longer than it may take to answer is waited for, and one that falls silent is not', async () => {
  let answers = 0;
  /** Answers INFO as Redis does while it loads: 20 times, and then as one that has; at last not at all. */
  const answer = () => {
    const info = `# Persistence\r\nloading:${++answers <= 20 ? 1 : 0}\r\n`;
    return answers < 40 ? `$${info.length}\r\n${info}\r\n` : '';
  };
  const server = createServer((socket) => {
    socket.on('data', (data) => {
      for (const [, name] of String(data).matchAll(/^\*\d+\r\n\$\d+\r\n(\w+)/gm))
        socket.write(name === 'info' ? answer() : '+OK\r\n');
    });
  });
  const address = await listening(server);
  const redis = new Redis(`redis://${address}`, { enableReadyCheck: false, commandTimeout: 500 });
  onTestFinished(() => redis.disconnect());
  await untilLoaded(redis); // For a second at least.
  expect(answers).toBe(21);
  answers = 40;
  await expect(untilLoaded(redis)).rejects.toThrow('Command timed out');
});

test('a Redis that is still starting is ended where its daemon stops', async () => {
  let closed: Promise<void> | undefined;
  const started = openPrivateRedis(base, log, (close) => {
    closed = close();
  });
  await expect(started).rejects.toThrow("the daemon's own redis cannot run");
  await closed;
  await expect(using((redis) => redis.ping())).rejects.toThrow();
});

test('a second daemon is refused and leaves the Redis of the first alone', async () => {
  onTestFinished(await lockHost(base, hostPaths(base).lock)); // As the first daemon holds it.
  await start();
  await write('a');
  const config = readConfig('daemon', { base, testToken: true }, {});
  const second = openRole('daemon', config, () => undefined, log, createClosers());
  await expect(second).rejects.toThrow(`(process ${process.pid}); stop it first`);
  expect(await names()).toEqual(['a', 'a-too']);
  expect(told).toEqual([]);
});
