import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Gear } from '../../src/jobs/types/container-reads.ts';
import { newId } from '../support/client.ts';
import { activeState, containersOf, type Daemon, openDaemon, sampleImage } from '../support/daemon.ts';
import { ok } from '../support/run.ts';
import { until } from '../support/until.ts';

/**
 * `strict`: with two seconds for a start. Both are there before the first gear: a worker that starts
 * removes networks of gears that do not run yet.
 */
let [daemon, strict] = [] as unknown as [Daemon, Daemon];
beforeAll(async () => {
  await sampleImage();
  const short = { env: { GEARD_START_SECONDS: '2' } };
  [daemon, strict] = await Promise.all([openDaemon(), openDaemon(short)]);
});
afterAll(async () => {
  await strict.close();
  await daemon.close();
});

const shell = (script: string) => ['/bin/sh', '-c', script];
const serve = 'exec /bin/httpd -f -p 8080 -h /www';
const loopback = 'exec /bin/httpd -f -p 127.0.0.1:8080 -h /www';
const install = (r: string, body: object) =>
  daemon.change('PUT', 'container', { r, t: 'geard/sample' }, body);
const gear = async (r: string) => (await daemon.send<Gear>('GET', 'container', { r })).body;
const ports = (external: number) => [{ internal: 8080, external }];

// These mostly wait, each for gears and ports of its own.
test.concurrent('a gear that listens late has started when it listens, and not before', async () => {
  const command = shell(`echo not yet; sleep 5; ${serve}`);
  const began = Date.now();
  const answer = await install('late', { ports: ports(21_001), command });
  expect(answer, answer.body.detail).toMatchObject({ status: 200, body: { state: 'succeeded' } });
  expect(Date.now() - began).toBeGreaterThan(4_900);
  expect((await fetch('http://127.0.0.1:21001/')).ok).toBe(true);
});

test.concurrent('a new gear that listens on loopback only has not started, says so, and leaves nothing', async () => {
  const i = newId();
  const body = { ports: ports(21_002), startseconds: '4', command: shell(`echo deaf; ${loopback}`) };
  const send = { body, headers: { Prefer: 'wait=30' } };
  const failed = await daemon.send('PUT', 'container', { u: '0', r: 'deaf', t: 'geard/sample', i }, send);
  expect(failed).toMatchObject({ status: 500, body: { code: 'start_failed' } });
  expect(failed.body.detail).toContain('nothing listens on port 8080 inside after 4 s');
  expect(failed.body.detail).toContain('deaf');
  expect(await daemon.send('GET', `job/${i}/log`)).toMatchObject({
    body: expect.stringMatching(/ready: waiting until the gear listens on port 8080 inside; [1-4] s left/),
  });
  expect((await daemon.send('GET', 'container', { r: 'deaf' })).status).toBe(404);
  expect(await containersOf('deaf')).toEqual([]);
});

test.concurrent('where a body does not say it the gear has as long as its worker was told', async () => {
  const deaf = { ports: [{ internal: 8080 }], command: shell('exec sleep 1000') };
  const failed = await strict.change('PUT', 'container', { r: 'unsaid', t: 'geard/sample' }, deaf);
  expect(failed).toMatchObject({ status: 500, body: { code: 'start_failed' } });
  expect(failed.body.detail).toContain('nothing listens on port 8080 inside after 2 s');
});

test.concurrent('an update that does not listen in time goes back to the version before, which answers', async () => {
  await install('updated', { ports: ports(21_003) });
  const before = await gear('updated');
  const failed = await install('updated', {
    ports: ports(21_003),
    startSeconds: 2,
    command: shell('exec sleep 1000'),
  });
  expect(failed).toMatchObject({ status: 500, body: { code: 'start_failed' } });
  expect(failed.body.detail).toContain('the earlier unit is back and runs');
  expect(await gear('updated')).toMatchObject({ unitText: before.unitText, systemd: { active: 'active' } });
  expect((await fetch('http://127.0.0.1:21003/')).ok).toBe(true);
});

test.concurrent('a gear that was stopped and does not listen when it is started again is stopped again', async () => {
  const once = `test -e /data/once || { touch /data/once 2>/dev/null || : >/data/once; ${serve}; }; exec sleep 1000`;
  const volumes = [{ name: 'readiness-once', path: '/data' }];
  const spec = { ports: ports(21_004), startSeconds: 6, command: shell(once), volumes };
  expect(await install('first-only', spec)).toMatchObject({ status: 200 });
  expect(await gear('first-only')).toMatchObject({ spec: { startSeconds: 6 } });
  await daemon.change('PUT', 'container/stopped', { r: 'first-only' });
  const failed = await daemon.change('PUT', 'container/started', { r: 'first-only' });
  expect(failed).toMatchObject({ status: 500, body: { code: 'start_failed' } });
  expect(failed.body.detail).toContain('it is stopped again');
  expect(await activeState('first-only')).toBe('inactive');
  expect(await gear('first-only')).toMatchObject({ enabled: false });
  await daemon.change('DELETE', 'container', { r: 'first-only' });
  await ok('docker', 'volume', 'rm', 'gear-first-only..readiness-once');
});

test.concurrent('another startSeconds alone changes the unit and restarts nothing', async () => {
  await install('patient', { ports: ports(21_005) });
  const before = await gear('patient');
  const answer = await install('patient', { ports: ports(21_005), startSeconds: 90 });
  expect(answer.body.result).toMatchObject({ changed: true, container: before.container });
  expect(await gear('patient')).toMatchObject({ spec: { startSeconds: 90 }, container: before.container });
});

test.each([0, 3601, 'soon', 1.5])('startSeconds of %j is refused at the door', async (startSeconds) => {
  const refused = await install('refused', { startSeconds });
  expect(refused).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
  expect(refused.body.detail).toContain('startSeconds');
});

test('a failed installation takes away the volumes that it has made, and no other', async () => {
  const failing = (name: string) => ({ volumes: [{ name, path: '/data' }], command: shell('exit 3') });
  await ok('docker', 'volume', 'create', 'gear-volumes..readiness-kept');
  for (const name of ['readiness-kept', 'readiness-made'])
    expect(await install('volumes', failing(name))).toMatchObject({ body: { code: 'start_failed' } });
  const left = await ok('docker', 'volume', 'ls', '--quiet', '--filter', 'name=readiness-');
  expect(left.split('\n')).toEqual(['gear-volumes..readiness-kept']);
  await ok('docker', 'volume', 'rm', 'gear-volumes..readiness-kept');
});

test.concurrent.each([
  [
    'cgroup',
    127,
    21_006,
    'docker: Error response from daemon: runc create failed: unable to apply cgroup configuration: failed to write 1: no such file',
  ],
  ['room', 125, 21_007, 'docker: mkdir /var/lib/docker/overlay2/1f-init: no space left on device.'],
  [
    'name',
    125,
    21_008,
    'docker: Error response from daemon: Conflict. The container name "/gear-made-name" is already in use by container "1f"',
  ],
])('a container that Docker cannot make for once is made again: %s', async (what, status, external, lost) => {
  const r = `made-${what}`;
  const command = shell(`test -e /data/seen && ${serve}; : >/data/seen; echo '${lost}'; exit ${status}`);
  const volumes = [{ name: `readiness-${r}`, path: '/data' }];
  const answer = await install(r, { ports: ports(external), command, volumes });
  expect(answer, answer.body.detail).toMatchObject({ status: 200, body: { state: 'succeeded' } });
  expect(answer.body.attempts).toBeGreaterThan(1);
  await daemon.change('DELETE', 'container', { r });
  await ok('docker', 'volume', 'rm', `gear-${r}..readiness-${r}`);
});

test('systemd re-executed in the middle of jobs fails none of them (reliability 1)', async () => {
  const names = Array.from({ length: 6 }, (_, n) => `reexec-${n}`);
  for (let round = 0; round < 3; round++) {
    const ids = names.map(() => newId());
    for (const [n, i] of ids.entries()) {
      const parameters = { u: '0', r: names[n] ?? '', t: 'geard/sample', i };
      const body = { cpus: 1 + round / 10, env: [{ name: 'ROUND', value: String(round) }] };
      expect((await daemon.send('PUT', 'container', parameters, { body })).status).toBe(202);
    }
    await until('a job runs', async () => {
      const { body } = await daemon.send('GET', `job/${ids[0]}`);
      return body.state !== 'queued';
    });
    await ok('systemctl', 'daemon-reexec');
    for (const i of ids) {
      const { body } = await daemon.send('GET', `job/${i}`, { wait: '60' });
      expect(body, JSON.stringify(body.error)).toMatchObject({ state: 'succeeded' });
    }
  }
});

/** A gear that is running and whose stop takes seconds; a restart of it that is cancelled in the middle. */
async function cancelledRestart(r: string): Promise<void> {
  const command = shell('trap "sleep 6; exit 0" TERM; while :; do sleep 0.1; done');
  await install(r, { command, env: [{ name: 'MARK', value: 'old' }] });
  const i = newId();
  await daemon.send('PUT', 'container/restarted', { u: '0', r, i });
  await until('it is about to stop', async () => (await activeState(r)) === 'deactivating');
  await daemon.send('DELETE', `job/${i}`);
  const ended = await daemon.send('GET', `job/${i}`, {}, { headers: { Prefer: 'wait=10' } });
  expect(ended.body).toMatchObject({ state: 'cancelled' });
  expect(await activeState(r)).toBe('deactivating');
}

const marks = (r: string) => ok('docker', 'exec', `gear-${r}`, '/bin/sh', '-c', 'echo $MARK');

test('an update runs what it says, also where systemd is still at a restart that was cancelled', async () => {
  await cancelledRestart('hurried');
  const updated = await install('hurried', { env: [{ name: 'MARK', value: 'new' }] });
  expect(updated, JSON.stringify(updated.body)).toMatchObject({ status: 200, body: { state: 'succeeded' } });
  expect(await marks('hurried')).toBe('new');
});

test('a restart restarts, also where systemd is still at one that was cancelled', async () => {
  await cancelledRestart('impatient');
  const begun = Date.now();
  const before = await starts('impatient');
  const restarted = await daemon.change('PUT', 'container/restarted', { r: 'impatient' });
  expect(restarted, JSON.stringify(restarted.body)).toMatchObject({
    status: 200,
    body: { state: 'succeeded' },
  });
  expect(Date.now() - begun).toBeGreaterThan(6_000);
  // That of the cancelled one, and its own.
  expect(await starts('impatient')).toBe(before + 2);
});

/** How often systemd has started a gear. */
async function starts(r: string): Promise<number> {
  await ok('journalctl', '--sync');
  const message = '39f53479d3a045ac8e11786248231fbf'; // Of a unit that was started (systemd.journal-fields(7)).
  const lines = await ok('journalctl', '-o', 'cat', `UNIT=gear-${r}.service`, `MESSAGE_ID=${message}`);
  return lines.split('\n').filter(Boolean).length;
}
