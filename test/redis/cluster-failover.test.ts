import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type FleetQueue, openFleetQueue, refusal, stopping } from '../support/fleet-queue.ts';
import { to } from '../support/queue.ts';
import { openTestCluster, type TestCluster } from '../support/redis-cluster.ts';
import { until } from '../support/until.ts';

let queue: FleetQueue;

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
    const after = await queue.untilAccepted('a', refused);
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
    const after = await queue.untilAccepted('a', refused);
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
    await queue.untilAccepted('a');
  });
});
