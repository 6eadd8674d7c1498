import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Job } from '../../src/jobs/job.ts';
import { pause } from '../../src/lib/async/pause.ts';
import { type Answer, newId } from '../support/client.ts';
import { type LabFleet, openLabFleet } from '../support/lab-fleet.ts';
import { until } from '../support/until.ts';

let fleet: LabFleet;
beforeAll(async () => {
  fleet = await openLabFleet('/run/geard-lab-fleet', 3);
});
afterAll(() => fleet.close());

const body = { ports: [{ internal: 8080 }] };
const change = (method: string, path: string, r: string, more: Record<string, string> = {}, sent?: unknown) =>
  fleet.send(method, path, { u: '0', i: newId(), r, ...more }, { body: sent });
const install = (r: string) => change('PUT', 'container', r, { t: 'geard/sample' }, body);

/** The units of gears on a host that run. */
const running = async (host: string) =>
  (
    await fleet.onHost(
      host,
      'systemctl',
      'list-units',
      '--plain',
      '--no-legend',
      '--state=active',
      'gear-*.service',
    )
  )
    .split('\n')
    .flatMap((line) => /gear-(\S+)\.service/.exec(line)?.[1] ?? []);
/** What is left of gears on a host: files, links, containers. */
const traces = async (host: string) =>
  [
    await fleet.onHost(host, 'find', '/var/lib/gears', '/etc/systemd/system', '-name', 'gear-*'),
    await fleet.onHost(host, 'find', '/var/lib/gears/ports', '-type', 'l'),
    await fleet.onHost(host, 'docker', 'ps', '--all', '--quiet'),
  ].join('');
/** How often each gear was started, on all hosts together: what PID 1 of each has written, in one reading. */
async function startsOfGears(): Promise<(gear: string) => number> {
  const counts = new Map<string, number>();
  const read = ['journalctl', '--quiet', '--output=json', '--output-fields=UNIT,MESSAGE', '_PID=1'];
  const count = async (host: string) => {
    await fleet.onHost(host, 'journalctl', '--sync');
    const lines = (await fleet.onHost(host, ...read)).split('\n').filter((line) => line !== '');
    for (const { UNIT = '', MESSAGE } of lines.map((line): Record<string, string> => JSON.parse(line))) {
      const [, gear] = /^gear-(\S+)\.service$/.exec(UNIT) ?? [];
      if (gear !== undefined && MESSAGE?.startsWith('Started '))
        counts.set(gear, (counts.get(gear) ?? 0) + 1);
    }
  };
  await Promise.all(fleet.hosts.map(count));
  return (gear) => counts.get(gear) ?? 0;
}

const all = (count: number, name: string) => Array.from({ length: count }, (_, i) => `${name}-${i}`);
const idOf = ({ body: job, status }: Answer<{ id: string }>) => {
  expect(status, JSON.stringify(job)).toBe(202);
  return job.id;
};

test('30 gears installed at once spread over 3 hosts, each name once; stopped and removed, nothing is left', async () => {
  const names = all(30, 'many');
  const installs = (await Promise.all(names.map(install))).map(idOf);
  const installed = await Promise.all(installs.map((id) => fleet.ended(id, 200_000)));
  expect(installed.filter(({ state }) => state !== 'succeeded')).toEqual([]);
  const there = await Promise.all(fleet.hosts.map(running));
  expect(there.flat().sort()).toEqual([...names].sort());
  for (const gears of there) expect(Math.abs(gears.length - 10)).toBeLessThanOrEqual(1);

  for (const [method, path] of [
    ['PUT', 'container/stopped'],
    ['DELETE', 'container'],
  ] as const) {
    const ids = (await Promise.all(names.map((name) => change(method, path, name)))).map(idOf);
    const jobs = await Promise.all(ids.map((id) => fleet.ended(id, 200_000)));
    expect(jobs.filter(({ state }) => state !== 'succeeded')).toEqual([]);
    expect((await Promise.all(fleet.hosts.map(running))).flat()).toEqual([]);
  }
  expect((await Promise.all(fleet.hosts.map(traces))).join('')).toBe('');
  // But for the lists of their jobs, which are kept as long as the jobs themselves.
  const isList = (key: string) => key.includes(':accepted:resource:');
  const keysLeft = async () =>
    (await fleet.redis('--raw', 'keys', '*many-*')).split('\n').filter((key) => key && !isList(key));
  await until('nothing in Redis names them', async () => (await keysLeft()).length === 0);
  const entries = async () => Number(await fleet.redis('hlen', 'geard:{.fleet}:holders:gear'));
  await until('the directory is empty', async () => (await entries()) === 0, 10_000);
});

/**
 * Sends mixed requests at a steady pace; something happens when a third of them are sent. Returns what was accepted, the
 * statuses of the others, and which answers took long.
 */
async function mixedRequests(
  { name, gears, count, seconds }: { name: string; gears: string[]; count: number; seconds: number },
  happens: () => Promise<void> = async () => undefined,
) {
  const accepted: { id: string; r: string; path: string }[] = [];
  const refused: number[] = [];
  const slow: string[] = [];
  const one = async (n: number) => {
    const gear = gears[n % gears.length] ?? '';
    const kinds = [
      ['PUT', 'container/restarted', gear],
      ['GET', 'container', gear],
      ['PUT', 'environment', `${name}-${n}`],
      ['GET', 'containers', ''],
      ['PUT', 'container', `${name}-${n}`],
      ['GET', 'jobs', ''],
      ['PUT', 'container/restarted', gear],
      ['GET', 'hosts', ''],
    ] as const;
    const [method, path, r] = kinds[n % kinds.length] ?? kinds[0];
    const id = newId();
    const send = () => {
      if (method === 'GET') return fleet.send('GET', path, r ? { r } : {});
      const more = path === 'container' ? { t: 'geard/sample' } : {};
      const sent = path === 'environment' ? { env: [{ name: 'A', value: 'b' }] } : undefined;
      return fleet.send(method, path, { u: '0', i: id, r, ...more }, { body: sent });
    };
    const began = performance.now();
    const answer = await send().catch(() => ({ status: 0, body: { id: '' } }));
    const took = performance.now() - began;
    // After two seconds an api gives up, and a busy machine adds to it; what waits for the host takes longer.
    if (took > 4_000) slow.push(`${method} ${path}: ${Math.round(took)} ms`);
    if (method === 'PUT' && answer.status === 202) accepted.push({ id: answer.body.id, r, path });
    if (answer.status !== 200 && answer.status !== 202) refused.push(answer.status);
  };
  const sent: Promise<void>[] = [];
  for (let n = 0; n < count; n++) {
    if (n === Math.floor(count / 3)) sent.push(happens());
    sent.push(one(n));
    await pause((seconds * 1_000) / count); // The pace; nothing is waited for.
  }
  await Promise.all(sent);
  return { accepted, refused, slow };
}

/** Every accepted job is over, and what was accepted took effect exactly once. */
async function mustBeOnce(accepted: { id: string; r: string; path: string }[], before: Map<string, number>) {
  const jobs: Job[] = [];
  for (const { id } of accepted) jobs.push(await fleet.ended(id, 120_000));
  expect(jobs.filter(({ state }) => state !== 'succeeded')).toEqual([]);
  const wanted = new Map<string, number>();
  for (const { r, path } of accepted) {
    if (path.startsWith('container')) wanted.set(r, (wanted.get(r) ?? before.get(r) ?? 0) + 1);
  }
  const starts = await startsOfGears();
  expect(new Map([...wanted.keys()].map((r) => [r, starts(r)]))).toEqual(wanted);
}

/** Gears to work on, for one test after the other. */
const worked = all(6, 'worked');

/** Has these gears run, some on each host, and tells how often they were started until now. */
async function someGears(): Promise<{ gears: string[]; before: Map<string, number> }> {
  const jobs = await Promise.all(
    (await Promise.all(worked.map(install))).map((answer) => fleet.ended(idOf(answer))),
  );
  expect(new Set(jobs.map(({ host }) => host)).size).toBe(3);
  const starts = await startsOfGears();
  return { gears: worked, before: new Map(worked.map((gear) => [gear, starts(gear)])) };
}

/** Removes all gears but those. */
async function removeOthers(): Promise<void> {
  const { body: list } = await fleet.send<{ containers: { resource: string }[] }>('GET', 'containers', {
    limit: '1000',
  });
  const others = list.containers.map(({ resource }) => resource).filter((name) => !worked.includes(name));
  const ids = (await Promise.all(others.map((name) => change('DELETE', 'container', name)))).map(idOf);
  for (const id of ids) await fleet.ended(id, 120_000);
}

test('a host that is cut off for a minute holds up nobody; when it is back every accepted job took effect once', async () => {
  const { gears, before } = await someGears();
  await fleet.cut('h2');
  const { accepted, refused, slow } = await mixedRequests({ name: 'during', gears, count: 120, seconds: 60 });
  expect(slow).toEqual([]);
  expect(accepted.length).toBeGreaterThan(54);
  // What could not be answered was the reading of gears on the host that is away.
  expect([...new Set(refused)].filter((status) => status !== 503)).toEqual([]);
  const jobs = await Promise.all(
    accepted.map(async ({ id }) => (await fleet.send<Job>('GET', `job/${id}`)).body),
  );
  const unhindered = jobs.filter(({ host }) => host !== 'h2');
  expect(unhindered.length).toBeGreaterThan(30);
  for (const { id } of unhindered) await fleet.ended(id, 30_000);
  await fleet.join('h2');
  await fleet.live();
  await mustBeOnce(accepted, before);
  await removeOthers();
});

test.each<[string, () => Promise<void>]>([
  [
    'the api is killed',
    async () => {
      await fleet.kill('api');
      await fleet.restore();
    },
  ],
  [
    'each worker is killed',
    async () => {
      for (const worker of fleet.hosts) await fleet.kill({ worker });
    },
  ],
  [
    'Redis is killed and started again',
    async () => {
      await fleet.kill('redis');
      await fleet.restore();
    },
  ],
])('%s: every job that was accepted is brought to its end and took effect once', async (what, happens) => {
  const name = what.replace(/\W+/g, '').toLowerCase();
  const { gears, before } = await someGears();
  const { accepted } = await mixedRequests({ name: `${name}-new`, gears, count: 80, seconds: 12 }, happens);
  await fleet.live();
  expect(accepted.length).toBeGreaterThan(10);
  await mustBeOnce(accepted, before);
  await removeOthers();
});

test('Redis is emptied: no gear stops, nothing is told to be absent, and the fleet goes on', async () => {
  const { gears } = await someGears();
  const pids = async () =>
    (
      await Promise.all(
        fleet.hosts.map((host) => fleet.onHost(host, 'docker', 'ps', '--quiet', '--no-trunc')),
      )
    ).join('\n');
  const before = await pids();
  const statuses = new Set<number>();
  let isOver = false;
  const ask = async (r: string) => {
    do statuses.add((await fleet.send('GET', 'container', { r })).status);
    while (!isOver);
  };
  await fleet.redis('flushall');
  const asking = Promise.all(gears.map(ask));
  await until('all are known again', async () => {
    const { body: list } = await fleet.send<{ containers?: unknown[] }>('GET', 'containers');
    return list.containers?.length === gears.length;
  });
  isOver = true;
  await asking;
  expect([...statuses].filter((status) => status !== 200 && status !== 503)).toEqual([]);
  expect(await pids()).toBe(before);
  const restarted = await change('PUT', 'container/restarted', gears[0] ?? '');
  expect((await fleet.ended(idOf(restarted))).state).toBe('succeeded');
  for (const gear of gears) {
    const removed = await fleet.ended(idOf(await change('DELETE', 'container', gear)), 120_000);
    expect(removed.state).toBe('succeeded');
  }
});
