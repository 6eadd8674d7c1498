import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { newId } from '../support/client.ts';
import { activeState, type Daemon, makeBase, openDaemon, sampleImage } from '../support/daemon.ts';
import { ok, run } from '../support/run.ts';
import { until } from '../support/until.ts';

let daemon: Daemon;
beforeAll(async () => {
  await sampleImage();
  daemon = await openDaemon();
  await daemon.change('PUT', 'container', { r: 'steady', t: 'geard/sample' });
});
afterAll(() => daemon.close());

test('while Redis hangs a change answers 503 soon and uses up no id', async () => {
  const i = newId();
  process.kill(daemon.redisPid(), 'SIGSTOP');
  const started = Date.now();
  const refused = await daemon.send('PUT', 'container/stopped', { u: '0', r: 'steady', i });
  const took = Date.now() - started;
  process.kill(daemon.redisPid(), 'SIGCONT');
  expect(refused).toMatchObject({ status: 503, body: { code: 'queue_unavailable' } });
  // After two seconds, and what a busy machine adds.
  expect(took).toBeLessThan(4_000);
  await until('Redis is back', async () => (await daemon.send('GET', 'jobs')).status === 200);
  expect((await daemon.send('GET', `job/${i}`)).status).toBe(404);
  expect(
    (
      await daemon.send(
        'PUT',
        'container/restarted',
        { u: '0', r: 'steady', i },
        { headers: { Prefer: 'wait=30' } },
      )
    ).status,
  ).toBe(200);
});

test('a Redis that was killed is started again, and the daemon goes on with it', async () => {
  process.kill(daemon.redisPid(), 'SIGKILL');
  await until('changes are accepted again', async () => {
    const answer = await daemon.change('PUT', 'container/restarted', { r: 'steady' });
    return answer.status === 200 && answer.body.state === 'succeeded';
  });
});

test('while the disk of Redis is full a change answers 503, and what was accepted before is done when there is room', async () => {
  const base = await makeBase();
  await mkdir(join(base, 'redis'), { mode: 0o700 });
  await ok('mount', '-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', join(base, 'redis'));
  const full = await openDaemon({ base });
  onTestFinished(async () => {
    await full.stop();
    await ok('umount', join(base, 'redis'));
    await full.close();
  });
  await full.change('PUT', 'container', { r: 'filling', t: 'geard/sample' });
  const ballast = join(base, 'redis/ballast');
  await writeFile(ballast, Buffer.alloc(8 * 1024 * 1024)).catch(() => undefined);
  const accepted: string[] = [];
  const refused = await until('a change is refused', async () => {
    const i = newId();
    const query = { u: '0', r: 'filling', i };
    const answer = await full.send('PUT', 'container/restarted', query);
    if (answer.status === 202) accepted.push(i);
    return answer.status === 202 ? null : answer;
  });
  expect(refused).toMatchObject({ status: 503, body: { code: 'queue_unavailable' } });
  await until('the log names the disk', () =>
    full.log().includes(`the disk of ${base}/redis is full; make room`),
  );
  await rm(ballast);
  await until('changes are accepted again', async () => {
    const answer = await full.change('PUT', 'container/restarted', { r: 'filling' });
    return answer.status === 200 && answer.body.state === 'succeeded';
  });
  for (const i of accepted)
    expect((await full.send('GET', `job/${i}`, { wait: '60' })).body).toMatchObject({ state: 'succeeded' });
});

test('after a restart of D-Bus the worker is back within 5 seconds', async () => {
  await ok('systemctl', 'restart', 'dbus');
  const asks = async () => (await daemon.send('GET', 'container', { r: 'steady' })).status === 200;
  await until('the worker asks systemd again', asks, 5_000);
  const began = Date.now();
  const restarted = await daemon.change('PUT', 'container/restarted', { r: 'steady' });
  expect(restarted).toMatchObject({ status: 200, body: { state: 'succeeded' } });
  expect(Date.now() - began).toBeLessThan(20_000);
});

test('no job is lost when dockerd is restarted while jobs run (reliability 2)', async () => {
  const ids = Array.from({ length: 6 }, newId);
  for (const [n, i] of ids.entries()) {
    const accepted = await daemon.send('PUT', 'container', {
      u: '0',
      r: `docker-${n}`,
      t: 'geard/sample',
      i,
    });
    expect(accepted.status).toBe(202);
  }
  const restarting = Date.now();
  await ok('systemctl', 'restart', 'docker');
  const restarted = Date.now();
  const jobs = await Promise.all(
    ids.map(async (i) => (await daemon.send('GET', `job/${i}`, { wait: '60' })).body),
  );
  for (const job of jobs) expect(job, JSON.stringify(job.error)).toMatchObject({ state: 'succeeded' });
  const ranMeanwhile = jobs.filter(
    ({ startedAt, finishedAt }) =>
      Date.parse(startedAt ?? '') < restarted && Date.parse(finishedAt ?? '') > restarting,
  );
  expect(ranMeanwhile.length).toBeGreaterThan(0);
  for (const [n] of ids.entries()) {
    await until(`docker-${n} is active`, async () => (await activeState(`docker-${n}`)) === 'active');
  }
});

test('gears are back after dockerd was stopped and started', async () => {
  await run('systemctl', 'stop', 'docker.socket', 'docker');
  await ok('systemctl', 'start', 'docker');
  await until('the gear runs again', async () => (await activeState('steady')) === 'active', 30_000);
});
