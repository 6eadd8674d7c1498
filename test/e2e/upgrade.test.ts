import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Job } from '../../src/jobs/job.ts';
import { newId } from '../support/client.ts';
import { sampleImage, startsOf } from '../support/daemon.ts';
import { type Fleet, openFleet } from '../support/fleet.ts';
import { openSlowServer } from '../support/git-server.ts';
import { makeNextRelease, type NextRelease } from '../support/next-release.ts';
import { end, outputOf } from '../support/processes.ts';
import { makeServed } from '../support/repository.ts';
import { until } from '../support/until.ts';

/** Of this run: how often a unit has started is read from the journal of the whole boot. */
const run = newId();
const first = `up-${run}-0`;

let fleet: Fleet;
let next: NextRelease;
beforeAll(async () => {
  await sampleImage();
  next = await makeNextRelease();
  fleet = await openFleet('auto', ['--clone-allow', '127.0.0.1']);
});
afterAll(async () => {
  await fleet.close();
  await next.remove();
});

/** Sends a change without waiting for it. */
const send = async (path: string, parameters: Record<string, string>) => {
  const { status, body } = await fleet.send('PUT', path, { u: '0', i: newId(), ...parameters });
  expect(status, JSON.stringify(body)).toBe(202);
  return body.id;
};
const job = async (id: string, wait = '0') => (await fleet.send<Job>('GET', `job/${id}`, { wait })).body;
const versions = async () =>
  (await fleet.send<{ hosts: { version: string }[] }>('GET', 'hosts')).body.hosts.map(
    ({ version }) => version,
  );

/** Ends a role of one release and starts it with the other one. */
async function replace(role: 'api' | 'worker', program?: string): Promise<void> {
  await end(fleet[role]);
  await fleet.restart(role, program);
}

test('a worker replaced by the next release in the middle of jobs finishes or hands over each, and each takes effect once', async () => {
  await makeServed(join(fleet.base, 'source'), { 'a.txt': 'one\n' });
  const source = await openSlowServer(fleet.base);
  const long = await send('repository', { r: 'long', t: `http://127.0.0.1:${source.port}/source` });
  await until('git asks', () => source.asked.length > 1);
  const names = Array.from({ length: 12 }, (_, n) => `up-${run}-${n}`);
  const ids = await Promise.all(names.map((r) => send('container', { r, t: 'geard/sample' })));
  await until('one has begun', async () =>
    (await Promise.all(ids.map((id) => job(id)))).some(({ state }) => state === 'running'),
  );
  await replace('worker', next.program);
  expect(await versions()).toEqual([next.version]);
  await until('it goes on', async () => (await job(long)).state === 'running');
  source.letGo();
  for (const id of [long, ...ids]) expect(await job(id, '30')).toMatchObject({ state: 'succeeded' });
  expect((await job(long)).attempts).toBeGreaterThan(1);
  for (const name of names) expect(await startsOf(name), name).toBe(1);
  source.close();
});

test('an api of this release has a worker of the next one do its jobs and answer its questions', async () => {
  expect(await versions()).toEqual([next.version]);
  expect((await fleet.change('PUT', 'container/stopped', { r: first })).body.state).toBe('succeeded');
  expect((await fleet.send('GET', 'container', { r: first })).body).toMatchObject({
    systemd: { active: 'inactive' },
  });
});

test('jobs of the next release stay queued until a worker comes that knows them, and questions are refused kindly', async () => {
  await Promise.all([replace('worker'), replace('api', next.program)]);
  const id = await send('container/started', { r: first });
  const asked = await fleet.send('GET', 'container', { r: first });
  expect(asked).toMatchObject({ status: 503, body: { code: 'host_unavailable' } });
  expect(asked.body.detail).toContain('older than the api');
  await until('the worker has said so', () => outputOf(fleet.worker).includes('upgrade this worker'));
  await replace('api');
  const known = await fleet.change('PUT', 'container', { r: `up-${run}-known`, t: 'geard/sample' });
  expect(known.body.state).toBe('succeeded');
  expect(await job(id)).toMatchObject({ state: 'queued', attempts: 0 });
  await Promise.all([replace('worker', next.program), replace('api', next.program)]);
  expect(await job(id, '30')).toMatchObject({ state: 'succeeded' });
  expect(await startsOf(first)).toBe(2);
  expect((await fleet.send('GET', 'container', { r: first })).body).toMatchObject({
    systemd: { active: 'active' },
  });
});
