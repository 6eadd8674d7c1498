import pino from 'pino';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { pause } from '../../src/lib/async/pause.ts';
import { failFastConnection, patientConnection } from '../../src/queue/redis/connection.ts';
import { type FleetQueue, openFleetQueue, refusal } from '../support/fleet-queue.ts';
import { openTestRedis } from '../support/redis.ts';
import { openTestSentinels, type TestSentinels } from '../support/redis-sentinel.ts';
import { openSilentProxy } from '../support/silent-proxy.ts';
import { until } from '../support/until.ts';

let queue: FleetQueue;

test('connections that fall silent are replaced; what comes meanwhile is refused in time, what waited goes on', async () => {
  const redis = await openTestRedis();
  onTestFinished(redis.close);
  const proxy = await openSilentProxy(redis.url.slice('unix:'.length));
  onTestFinished(proxy.close);
  queue = await openFleetQueue(proxy.url);
  onTestFinished(() => queue.close());
  await queue.hold('a');
  const before = await queue.accepted('a');
  proxy.fallSilent();
  const pending = queue.execute(before); // A worker waits for an answer.
  const silentSince = Date.now();
  const refused: string[] = [];
  const after = await queue.untilAccepted('a', refused);
  expect(refused).not.toEqual([]);
  expect(Date.now() - silentSince).toBeLessThan(10_000);
  expect(await pending).toBe('succeeded');
  await until('what came after is delivered', () => queue.delivered.includes(after));
});

test('what is held back behind a command without an answer is over when that one is', async () => {
  const server = await openTestRedis();
  onTestFinished(server.close);
  const redis = failFastConnection({ url: server.url }, pino({ level: 'silent' }));
  onTestFinished(() => redis.disconnect());
  await until('it is connected', () => redis.status === 'ready');
  // The two go out together, and only the first is answered: the connection is silent for less time than the second.
  const [, unanswered] = [redis.exists('a'), redis.blpop('a', 0)];
  await pause(100); // ioredis holds back what comes now.
  const { code, isLate } = await refusal(() => redis.exists('a'));
  expect(isLate, String(code)).toBe(false);
  await expect(unanswered).rejects.toThrow(/aborted|timed out/);
});

describe('a master that Sentinels watch', () => {
  let sentinels: TestSentinels;
  beforeEach(async () => {
    sentinels = await openTestSentinels();
    queue = await openFleetQueue(sentinels.url);
    await queue.hold('a');
  });
  afterEach(async () => {
    await queue.close();
    await sentinels.close();
  });

  test('changes while a lost connection asks for it: the connection asks again', async () => {
    const redis = patientConnection({ url: sentinels.url }, pino({ level: 'silent' }));
    onTestFinished(() => redis.disconnect());
    const { connector } = redis as unknown as { connector: { failoverDetector?: { disconnect(): void } } };
    await redis.ping();
    await until('the connection hears of failovers', () => connector.failoverDetector);
    // As a Sentinel does that says so while the connection asks another one.
    redis.once('connecting', () => connector.failoverDetector?.disconnect());
    await redis.call('CLIENT', 'KILL', 'ID', String(await redis.call('CLIENT', 'ID')), 'SKIPME', 'no');
    expect(await redis.ping()).toBe('PONG');
  });

  test('is killed: accepted jobs go on with the new one, and what comes meanwhile is refused at once', async () => {
    const before = await queue.accepted('a');
    await until('it is delivered', () => queue.delivered.includes(before));
    await sentinels.killMaster();
    const pending = queue.execute(before); // A worker waits for the new master.
    const refused: string[] = [];
    const after = await queue.untilAccepted('a', refused);
    expect(new Set(refused)).toEqual(new Set(['queue_unavailable']));
    // Each of the Sentinels hears of it in its own time.
    await until(
      'the one that is asked names the new master',
      async () => (await sentinels.masterPort()) === sentinels.ports.second,
    );
    expect(await pending).toBe('succeeded');
    await until('what came after is delivered', () => queue.delivered.includes(after));
    // Connections to the new master may be cut once more, by the Sentinels that make it one.
    const ended = (id: string) =>
      until('the api tells the end of a job', async () => {
        const record = await queue.queue.wait(id, 5_000).catch(() => null);
        return record?.job.state === 'succeeded';
      });
    const waiting = ended(after);
    expect(await queue.execute(after)).toBe('succeeded');
    await waiting;
    await ended(before);
    await until('questions are answered', () =>
      queue.queue.ask('h1', 'container.list', 'sealed', { names: [] }).catch(() => null),
    );
  });
});
