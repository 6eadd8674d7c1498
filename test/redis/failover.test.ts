import pino from 'pino';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { patientConnection } from '../../src/queue/redis/connection.ts';
import { type FleetQueue, openFleetQueue, refusal, stopping } from '../support/fleet-queue.ts';
import { to } from '../support/queue.ts';
import { openTestRedis } from '../support/redis.ts';
import { openTestCluster, type TestCluster } from '../support/redis-cluster.ts';
import { openTestSentinels, type TestSentinels } from '../support/redis-sentinel.ts';
import { openSilentProxy } from '../support/silent-proxy.ts';
import { until } from '../support/until.ts';

let queue: FleetQueue;

/** Requests until one is accepted; each refusal must be one that a client can do something with, in time. */
async function untilAccepted(resource: string, refused: string[] = []): Promise<string> {
  return until('a request is accepted', async () => {
    const submission = stopping(resource);
    const { code, isLate } = await refusal(async () => {
      expect((await queue.queue.accept(submission, to('h1'))).verdict).toBe('accepted');
    });
    expect(isLate).toBe(false);
    if (code === null) return submission.id;
    refused.push(code);
    return null;
  });
}

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
  const after = await untilAccepted('a', refused);
  expect(refused).not.toEqual([]);
  expect(Date.now() - silentSince).toBeLessThan(10_000);
  expect(await pending).toBe('succeeded');
  await until('what came after is delivered', () => queue.delivered.includes(after));
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
    const after = await untilAccepted('a', refused);
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

describe('a node of a Cluster', () => {
  let cluster: TestCluster;
  beforeEach(async () => {
    cluster = await openTestCluster();
    queue = await openFleetQueue(cluster.url);
    await queue.hold('a');
  });
  afterEach(async () => {
    await queue.close();
    await cluster.close();
  });

  test.each([0, 1, 2])('is killed and started again, node %i: everything goes on', async (n) => {
    const before = await queue.accepted('a');
    await until('it is delivered', () => queue.delivered.includes(before));
    await cluster.servers[n]?.kill();
    const pending = queue.execute(before);
    const refused: string[] = [];
    await until('requests are refused', async () => {
      const { code, isLate } = await refusal(() => queue.queue.accept(stopping('a'), to('h1')));
      expect(isLate).toBe(false);
      if (code !== null) refused.push(code);
      return refused.length >= 3;
    });
    await until(
      'the api says that it is not ready',
      async () => (await refusal(queue.queue.ping)).code === 'queue_unavailable',
    );
    await cluster.servers[n]?.start();
    const after = await untilAccepted('a', refused);
    expect(new Set(refused)).toEqual(new Set(['queue_unavailable']));
    expect(await pending).toBe('succeeded');
    await until('what came after is delivered', () => queue.delivered.includes(after));
    await until('questions are answered', () =>
      queue.queue.ask('h1', 'container.list', 'sealed', { names: [] }).catch(() => null),
    );
    // Each node finds out by itself that the cluster is whole again.
    const record = await until('the job is read', () => queue.queue.wait(before, 5_000).catch(() => null));
    expect(record.job.state).toBe('succeeded');
  });

  test('all of them are killed and started again: everything goes on', async () => {
    const before = await queue.accepted('a');
    for (const server of cluster.servers) await server.kill();
    const { code, isLate } = await refusal(() => queue.queue.accept(stopping('a'), to('h1')));
    expect(code).toBe('queue_unavailable');
    expect(isLate).toBe(false);
    for (const server of cluster.servers) await server.start();
    const refused: string[] = [];
    const after = await untilAccepted('a', refused);
    expect(refused.filter((code) => code !== 'queue_unavailable')).toEqual([]);
    await until('what came after is delivered', () => queue.delivered.includes(after));
    // A delivery that was taken as Redis went is lost; the worker's look at its open jobs makes that good.
    expect([...queue.delivered, ...(await queue.worker.records.open())]).toContain(before);
    for (const id of [before, after]) expect(await queue.execute(id)).toBe('succeeded');
  });

  test('hangs: what needs it is refused within two seconds, and everything goes on when it does', async () => {
    for (const { pid } of cluster.servers) process.kill(pid, 'SIGSTOP');
    const { code, isLate } = await refusal(() => queue.queue.accept(stopping('a'), to('h1')));
    for (const { pid } of cluster.servers) process.kill(pid, 'SIGCONT');
    expect(code).toBe('queue_unavailable');
    expect(isLate).toBe(false);
    await untilAccepted('a');
  });
});
