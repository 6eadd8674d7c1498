import { basename } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Job } from '../../src/jobs/job.ts';
import { keys } from '../../src/queue/redis/keys.ts';
import { newId } from '../support/client.ts';
import { sampleImage } from '../support/daemon.ts';
import { type Fleet, openFleet } from '../support/fleet.ts';
import { outputOf } from '../support/processes.ts';
import { ok } from '../support/run.ts';
import { until } from '../support/until.ts';

let fleet: Fleet;
beforeAll(async () => {
  await sampleImage();
  fleet = await openFleet('relay', ['--max-parallel-jobs', '4', '--max-starts', '2']);
});
afterAll(() => fleet.close());

const jobs = async (state: Job['state']) =>
  (await fleet.send<{ jobs: Job[] }>('GET', 'jobs', { state })).body.jobs.map(({ id }) => id);
const ended = (i: string) =>
  until('the job is over', async () => {
    const { body } = await fleet.send<Job>('GET', `job/${i}`, { wait: '20' });
    return body.finishedAt ? body : null;
  });

test('one user has half of --max-parallel-jobs side by side, and all jobs come to their end (house 7.8)', async () => {
  const slow = {
    ports: [{ internal: 8080 }],
    command: ['/bin/sh', '-c', 'sleep 1; exec /bin/httpd -f -p 8080 -h /www'],
  };
  const ids = Array.from({ length: 6 }, newId);
  for (const [n, i] of ids.entries()) {
    const parameters = { u: '0', r: `slow-${n}`, t: 'geard/sample', i };
    expect((await fleet.send('PUT', 'container', parameters, { body: slow })).status).toBe(202);
  }
  let most = 0;
  await until('no job is left', async () => {
    const running = await jobs('running');
    most = Math.max(most, running.length);
    return running.length === 0 && (await jobs('queued')).length === 0;
  });
  expect(most).toBe(2);
  for (const i of ids) expect(await ended(i)).toMatchObject({ state: 'succeeded', attempts: 1 });
});

test('one user has half of --max-starts started at a time, and what listens late holds up no other start', async () => {
  const since = Date.now() / 1000;
  const late = {
    ports: [{ internal: 8080 }],
    command: ['/bin/sh', '-c', 'sleep 3; exec /bin/httpd -f -p 8080 -h /www'],
  };
  const ids = ['late-0', 'late-1'].map((r) => ({ r, i: newId() }));
  for (const { r, i } of ids)
    await fleet.send('PUT', 'container', { u: '0', r, t: 'geard/sample', i }, { body: late });
  const done = await Promise.all(ids.map(({ i }) => ended(i)));
  expect(done).toMatchObject([{ state: 'succeeded' }, { state: 'succeeded' }]);
  const format = '{{.Action}} {{index .Actor.Attributes "name"}} {{.TimeNano}}';
  const of = [
    '--filter',
    'type=container',
    '--filter',
    'event=create',
    '--filter',
    'event=start',
    '--filter',
    'name=gear-late',
  ];
  const until = ['--since', String(since), '--until', String(Math.ceil(Date.now() / 1000))];
  const events = (await ok('docker', 'events', ...until, ...of, '--format', format)).split('\n');
  const names = events.map((line) => line.split(' ').slice(0, 2).join(' '));
  const [first, second] = names[0]?.endsWith('late-0') ? ['late-0', 'late-1'] : ['late-1', 'late-0'];
  expect(names).toEqual([
    `create gear-${first}`,
    `start gear-${first}`,
    `create gear-${second}`,
    `start gear-${second}`,
  ]);
  // The second one was started while the first one did not listen yet.
  const [begun, finished] = [
    Number(events[3]?.split(' ')[2]) / 1e6,
    Date.parse(done[first === 'late-0' ? 0 : 1]?.finishedAt ?? ''),
  ];
  expect(begun).toBeLessThan(finished);
});

test('a job that waits for one before it begins when that is over, not a while after', async () => {
  const ids = Array.from({ length: 8 }, newId);
  for (const [n, i] of ids.entries()) {
    const path = n % 2 === 0 ? 'stopped' : 'started';
    await fleet.send('PUT', `container/${path}`, { u: '0', r: 'slow-0', i });
  }
  const done = await Promise.all(ids.map(ended));
  for (const [n, one] of done.entries()) {
    expect(one, JSON.stringify(one.error)).toMatchObject({ state: 'succeeded' });
    const before = Date.parse(done[n - 1]?.finishedAt ?? one.startedAt ?? '');
    expect(Date.parse(one.startedAt ?? '') - before).toBeLessThan(1_000);
  }
});

test('a worker that starts looks at its open jobs at once, also where their deliveries are lost (reliability 6)', async () => {
  await fleet.kill('worker');
  const i = newId();
  await fleet.send('PUT', 'container/restarted', { u: '0', r: 'slow-1', i });
  const { redis } = fleet.redis;
  await redis.del(`${keys.queuePrefix('h1')}:jobs:wait`, `${keys.queuePrefix('h1')}:jobs:marker`);
  await fleet.restart('worker');
  const ready = Date.now();
  const job = await until('the job runs', async () => {
    const { body } = await fleet.send<Job>('GET', `job/${i}`);
    return body.startedAt ? body : null;
  });
  expect(Date.parse(job.startedAt ?? '') - ready, outputOf(fleet.worker)).toBeLessThan(1_000);
  expect(await ended(i)).toMatchObject({ state: 'succeeded' });
});

test('at --log-level debug one sees what a worker does to systemd, Docker and files, and no value of a caller', async () => {
  const value = `secret ${newId()}`;
  const body = { env: [{ name: 'A', value }] };
  await fleet.change('PUT', 'container', { r: 'traced', t: 'geard/sample' }, body);
  const lines = outputOf(fleet.worker).split('\n');
  const effects = lines.flatMap((line) => {
    const { msg, effect, of, ms, outcome } = line.startsWith('{') ? JSON.parse(line) : {};
    return msg === 'effect' && /traced/.test(of) ? [{ effect, of: basename(of), ms, outcome }] : [];
  });
  const done = { ms: expect.any(Number), outcome: 'done' };
  for (const [effect, of] of [
    ['file.rename', 'gear-traced.service'],
    ['link.place', 'gear-traced.service'],
    ['docker.createNetwork', 'gear-traced'],
    ['dbus.StartUnit', 'gear-traced.service'],
    ['docker.container', 'gear-traced'],
  ])
    expect(effects).toContainEqual({ effect, of, ...done });
  expect(lines.filter((line) => line.includes(value))).toEqual([]);
});

test('an id that is open and has no record is taken out of the queue (house 7.11)', async () => {
  await fleet.redis.redis.zadd(keys.open('h1'), 1, 'f'.repeat(32));
  await until(
    'the worker has looked',
    async () => (await fleet.redis.redis.zscore(keys.open('h1'), 'f'.repeat(32))) === null,
  );
});
