import { spawnSync } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Job } from '../../src/jobs/job.ts';
import { newId } from '../support/client.ts';
import { curl } from '../support/curl.ts';
import { activeState, makeBase, sampleImage } from '../support/daemon.ts';
import { type Fleet, openFleet } from '../support/fleet.ts';
import { end, startNode } from '../support/processes.ts';
import { openRoundRobin } from '../support/round-robin.ts';
import { until } from '../support/until.ts';

let fleet: Fleet;
beforeAll(async () => {
  await sampleImage();
  fleet = await openFleet('relay');
});
afterAll(() => fleet.close());

/** Sends a change without waiting for it. */
const send = async (path: string, r: string, more: Record<string, string> = {}) =>
  (await fleet.send('PUT', path, { u: '0', i: newId(), r, ...more })).body;
const ended = (id: string) =>
  until('the job is over', async () => {
    const { body } = await fleet.send<Job>('GET', `job/${id}`, { wait: '20' });
    return body.finishedAt ? body : null;
  });

test('a second worker under the same name refuses to start and says which one is alive', async () => {
  const base = await makeBase();
  const args = [
    'bin/gear',
    'worker',
    '--test-token',
    '--redis',
    fleet.redis.url,
    '--base',
    base,
    '--host',
    'h1',
  ];
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 20_000 });
  await rm(base, { recursive: true });
  expect(stderr).toMatch(/another worker is alive under the name h1: on \S+, process \d+, since .*; stop it/);
  expect(stderr).toContain(`process ${fleet.worker.pid}`);
  expect(status).toBe(1);
});

test('while a host is gone its jobs wait for it, too long ones fail as expired, and the newest stop or start wins', async () => {
  await fleet.change('PUT', 'container', { r: 'away', t: 'geard/sample' });
  await fleet.kill('worker');
  const gone = async () =>
    (await fleet.send<{ hosts: { state: string }[] }>('GET', 'hosts')).body.hosts[0]?.state === 'gone';
  const brief = await send('container/restarted', 'away', { expires: '1' });
  const paths = ['container/stopped', 'container/started', 'container/stopped', 'container/started'];
  const sent: Job[] = [];
  for (const path of paths) sent.push(await send(path, 'away'));
  const newest = sent.at(-1)?.id ?? '';
  expect(await ended(brief.id)).toMatchObject({ state: 'failed', error: { code: 'expired', host: 'h1' } });
  await until('the host is gone', gone, 30_000);
  expect((await fleet.send<Job>('GET', `job/${newest}`)).body.state).toBe('queued');
  await fleet.restart('worker');
  expect(await ended(newest)).toMatchObject({ state: 'succeeded' });
  const older = await Promise.all(sent.slice(0, -1).map(({ id }) => ended(id)));
  expect(older.map(({ state, result }) => [state, result])).toEqual(
    sent.slice(1).map(({ id }) => ['cancelled', { supersededBy: id }]),
  );
  expect(await activeState('away')).toBe('active');
});

test('two apis behind one address: no difference is to be seen, streams included', async () => {
  const port = 12_690;
  const args = ['bin/gear', 'api', '--test-token', '--redis', fleet.redis.url, '--stream', 'relay'];
  const second = await startNode([...args, '--listen', `127.0.0.1:${port}`], /api listens/);
  const first = Number(new URL(fleet.url).port);
  const address = await openRoundRobin([first, port]);
  const url = `http://127.0.0.1:${address.port}/token/__test__`;
  const ask = async (...words: string[]) => (await curl(...words).done).body.toString();
  try {
    const i = newId();
    const install = [
      '-X',
      'PUT',
      '-H',
      'Prefer: wait=30',
      `${url}/container?u=0&t=geard%2Fsample&r=both&i=${i}`,
    ];
    const answers: string[] = [];
    for (let n = 0; n < 4; n++) answers.push(await ask(...install));
    expect(JSON.parse(answers[0] ?? '')).toMatchObject({ state: 'succeeded' });
    expect(new Set(answers).size).toBe(1);
    for (const path of ['container?r=both', 'containers', 'hosts', 'jobs', `job/${i}`, `job/${i}/log`]) {
      const [one, other] = [await ask(`${url}/${path}`), await ask(`${url}/${path}`)];
      // A host is seen at another moment each time, and may have said in between that there is another gear.
      const same = (text: string) => text.replace(/"(?:lastSeen|gears)":[^,}]+/g, '');
      expect(same(other), path).toBe(same(one));
    }
    const log = `${url}/container/log?r=both&for=0`;
    const events = ['-H', 'Accept: text/event-stream'];
    const whole = await ask(...events, log);
    const cursors = [...whole.matchAll(/^id: (.+)$/gm)].map(([, cursor]) => cursor ?? '');
    expect(cursors.length).toBeGreaterThan(0);
    // Each goes on where the other one stopped.
    const resumed = await ask(...events, '-H', `Last-Event-ID: ${cursors[0]}`, log);
    expect(resumed.split('\n').filter((line) => line.startsWith('id: '))).toEqual(
      cursors.slice(1).map((cursor) => `id: ${cursor}`),
    );
    expect(Math.abs((address.counts[0] ?? 0) - (address.counts[1] ?? 0))).toBeLessThanOrEqual(1);
    expect(address.counts[1]).toBeGreaterThan(5);
  } finally {
    await address.close();
    await end(second);
  }
});
