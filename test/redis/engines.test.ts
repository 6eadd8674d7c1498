import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { workerAcl } from '../../src/queue/redis/acl.ts';
import { makeUser } from '../../src/queue/redis/acl-user.ts';
import { makeUsers } from '../support/acl.ts';
import { type FleetQueue, openFleetQueue, stopping } from '../support/fleet-queue.ts';
import { freePort } from '../support/free-port.ts';
import { to } from '../support/queue.ts';
import { openTestRedis } from '../support/redis.ts';
import { openTestCluster } from '../support/redis-cluster.ts';
import { openTestSentinels } from '../support/redis-sentinel.ts';
import { engine } from '../support/redis-server.ts';
import { until } from '../support/until.ts';

interface Place {
  url: string;
  /** Servers in which each role has to have a user of its own; none: everybody may do everything. */
  users?: Redis[];
  close(): Promise<void>;
}

async function onLoopback(): Promise<Place> {
  const port = await freePort();
  const redis = await openTestRedis(['--bind', '127.0.0.1', '--port', String(port)]);
  return { url: `redis://127.0.0.1:${port}`, close: redis.close };
}

async function clusterWithRoles(): Promise<Place> {
  const cluster = await openTestCluster();
  return { ...cluster, users: cluster.nodes };
}

const places: [string, () => Promise<Place>][] = [
  ["the machine's Redis, on a socket", () => openTestRedis()],
  ["the machine's Redis, on a port", onLoopback],
  ["the machine's Redis, by Sentinels", () => openTestSentinels()],
  ["the machine's Redis, as a Cluster", () => openTestCluster()],
  ["the machine's Redis, as a Cluster where each role has its own rights", clusterWithRoles],
  ['Redis 8.0, on a socket', () => openTestRedis([], engine('redis-8.0'))],
  ['Redis 8.0, as a Cluster', () => openTestCluster(engine('redis-8.0'))],
  ['Valkey 8.1, on a socket', () => openTestRedis([], engine('valkey-8.1'))],
  ['Valkey 8.1, by Sentinels', () => openTestSentinels(engine('valkey-8.1'))],
  ['Valkey 8.1, as a Cluster', () => openTestCluster(engine('valkey-8.1'))],
];

describe.each(places)('%s', (_, open) => {
  let place: Place;
  let queue: FleetQueue;

  beforeAll(async () => {
    place = await open();
    if (place.users) await makeUsers(place.users);
    queue = await openFleetQueue(place.url, place.users !== undefined);
  });
  afterAll(async () => {
    await queue?.close();
    await place?.close();
  });

  test('a job is accepted, delivered, executed, and waited for', async () => {
    await queue.hold('a');
    const id = await queue.accepted('a');
    await until('it is delivered', () => queue.delivered.includes(id));
    const waiting = queue.queue.wait(id, 10_000);
    expect(await queue.execute(id)).toBe('succeeded');
    const ended = Date.now();
    expect((await waiting)?.job).toMatchObject({ id, host: 'h1', state: 'succeeded', attempts: 1 });
    expect(Date.now() - ended).toBeLessThan(1_500); // Woken by a message, which is sooner than the next look.
    const [line] = await queue.queue.progressLines('h1', id, '0');
    expect(line).toMatchObject({ step: 'stop', message: 'stopping' });
  });

  test('of 50 simultaneous requests with one id one is accepted and 49 find its record', async () => {
    await queue.hold('b');
    const one = stopping('b');
    const all = await Promise.all(Array.from({ length: 50 }, () => queue.queue.accept(one, to('h1'))));
    expect(all.filter(({ verdict }) => verdict === 'accepted')).toHaveLength(1);
    expect(all.filter(({ verdict }) => verdict === 'known')).toHaveLength(49);
    await until('it is delivered', () => queue.delivered.includes(one.id));
    expect(queue.delivered.filter((id) => id === one.id)).toHaveLength(1);
  });

  test('only the first in a line begins, whatever comes in between', async () => {
    await queue.hold('c', 'd');
    const [first, other, second] = [
      await queue.accepted('c'),
      await queue.accepted('d'),
      await queue.accepted('c'),
    ];
    expect(await queue.execute(second)).toBe('behind');
    for (const id of [other, first, second]) expect(await queue.execute(id)).toBe('succeeded');
    expect(await queue.execute(first)).toBe('over');
  });

  test('jobs are listed newest first, and page on after an id', async () => {
    await queue.hold('e');
    const all: string[] = [];
    for (let i = 0; i < 8; i++) all.unshift(await queue.accepted('e'));
    const ids = async (limit: number, after?: string) =>
      (await queue.queue.listJobs({ r: 'e' }, limit, after)).jobs.map(({ id }) => id);
    expect(await ids(100)).toEqual(all);
    expect(await ids(3, all[3])).toEqual(all.slice(4, 7));
  });

  test('hosts are known, and a job that was not begun is cancelled', async () => {
    await queue.hold('f');
    expect(await queue.queue.hosts()).toMatchObject([{ name: 'h1', state: 'live' }]);
    const id = await queue.accepted('f');
    const record = await queue.queue.job(id);
    if (!record) throw new Error('no record');
    expect(await queue.queue.cancel(record, 'sealed')).toBe('queued');
    expect((await queue.queue.job(id))?.job.state).toBe('cancelled');
    expect(await queue.execute(id)).toBe('over');
  });

  test('questions are answered, and nobody waits for a host that is not there', async () => {
    const all = Array.from({ length: 20 }, () =>
      queue.queue.ask('h1', 'container.list', 'sealed', { names: [] }, 10_000),
    );
    expect(await Promise.all(all)).toEqual(all.map(() => []));
    const nobody = queue.queue.ask('h9', 'container.list', 'sealed', { names: [] }, 100);
    await expect(nobody).rejects.toMatchObject({ code: 'host_unavailable' });
  });

  test('a stream of 5 MB comes whole through it', async () => {
    const size = 5_000_000;
    const wanted = { name: 'container.log', sealed: 'sealed', how: { size } } as const;
    const { body } = await queue.queue.relay('h1', wanted, new AbortController().signal);
    let read = 0;
    for await (const chunk of body) read += chunk.length;
    expect(read).toBe(size);
  });
});

test('a user that is made in a Cluster is there on every node', async () => {
  const cluster = await openTestCluster();
  try {
    const make = () => makeUser({ url: cluster.url }, workerAcl('a-password-of-h7', 'h7'));
    expect(await make()).toContain('not configured to use an ACL file');
    for (const node of cluster.nodes) expect(await node.call('ACL', ['USERS'])).toContain('geard-h7');
    await expect(make()).rejects.toThrow('ACL DELUSER geard-h7');
  } finally {
    await cluster.close();
  }
});
