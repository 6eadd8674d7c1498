import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { pause } from '../../src/lib/async/pause.ts';
import { newId } from '../support/client.ts';
import { activeState, type Daemon, makeBase, openDaemon, sampleImage } from '../support/daemon.ts';
import { freePort } from '../support/free-port.ts';
import { outputOf, startNode } from '../support/processes.ts';
import { ok } from '../support/run.ts';
import { until } from '../support/until.ts';

let daemon: Daemon;
beforeAll(async () => {
  await sampleImage();
  daemon = await openDaemon({ env: { GEARD_REGISTRY_ALLOW: '127.0.0.1' } });
});
afterAll(() => daemon.close());

const mainPid = (r: string) => ok('docker', 'inspect', '--format', '{{.State.Pid}}', `gear-${r}`);
const answers = (port: number) =>
  fetch(`http://127.0.0.1:${port}/`).then(
    (r) => r.ok,
    () => false,
  );

test('with api, worker and Redis gone a gear goes on, and runs again when its process is killed', async () => {
  const { body } = await daemon.change(
    'PUT',
    'container',
    { r: 'lonely', t: 'geard/sample' },
    { ports: [{ internal: 8080 }] },
  );
  const [{ external }] = (body.result as { ports: { external: number }[] }).ports as [{ external: number }];
  await daemon.kill();
  expect(await answers(external)).toBe(true);
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    const before = await mainPid('lonely');
    process.kill(Number(before), signal);
    await until(`it runs again after ${signal}`, async () => {
      const now = await mainPid('lonely').catch(() => before);
      return now !== before && now !== '0' && (await answers(external));
    });
  }
  await daemon.start();
  const gear = await daemon.send<{ systemd: { active: string; restarts: number } }>('GET', 'container', {
    r: 'lonely',
  });
  expect(gear.body.systemd).toMatchObject({ active: 'active', restarts: 2 });
});

test('a worker with an empty Redis announces what is on its disk, and nothing stops', async () => {
  await daemon.change('PUT', 'container', { r: 'kept', t: 'geard/sample' });
  await daemon.stop();
  await ok('rm', '-r', `${daemon.base}/redis`);
  await daemon.start();
  expect((await daemon.send('GET', 'container', { r: 'kept' })).status).toBe(200);
  expect(await activeState('kept')).toBe('active');
  const stopped = await daemon.change('PUT', 'container/stopped', { r: 'kept' });
  expect(stopped).toMatchObject({ status: 200, body: { state: 'succeeded' } });
  expect(await activeState('kept')).toBe('inactive');
});

test('SIGTERM hands back what does not end in time, exits with 0 within 30 seconds, and it goes on later', async () => {
  const hanging = createServer().listen(5003, '127.0.0.1');
  const i = newId();
  await daemon.send('PUT', 'container', { u: '0', r: 'pulling', t: '127.0.0.1:5003/a:1', i });
  const job = async () => (await daemon.send('GET', `job/${i}`)).body;
  await until('it pulls', async () => (await job()).progress?.step === 'pull');
  const started = Date.now();
  expect(await daemon.stop()).toBe(0);
  expect(Date.now() - started).toBeLessThan(30_000);
  await daemon.start();
  await until(
    'it pulls again',
    async () => (await job()).attempts === 2 && (await job()).progress?.step === 'pull',
  );
  const cancelled = await daemon.send('DELETE', `job/${i}`, {}, { headers: { Prefer: 'wait=30' } });
  expect(cancelled).toMatchObject({ status: 200, body: { state: 'cancelled' } });
  hanging.close();
});

test('SIGTERM ends a worker that is still starting, because no Redis is there', async () => {
  const base = await makeBase();
  onTestFinished(() => rm(base, { recursive: true }));
  const redis = `redis://127.0.0.1:${await freePort()}`;
  const args = ['bin/gear', 'worker', '--base', base, '--redis', redis, '--test-token', '--insecure-redis'];
  const worker = await startNode(args, /could not check yet/);
  const exited = once(worker, 'exit');
  worker.kill('SIGTERM');
  expect(await Promise.race([exited, pause(10_000)]), outputOf(worker)).toEqual([0, null]);
});
