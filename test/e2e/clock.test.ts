import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Job } from '../../src/jobs/job.ts';
import { ask } from '../support/ask.ts';
import { newId } from '../support/client.ts';
import { clockEnvironment, clockText } from '../support/clock.ts';
import { type Daemon, openDaemon, sampleImage } from '../support/daemon.ts';
import { ok } from '../support/run.ts';
import { until } from '../support/until.ts';

let directory: string;
let daemon: Daemon;
beforeAll(async () => {
  await sampleImage();
  directory = await mkdtemp(join(tmpdir(), 'geard-clock-'));
  await setClock(0);
  // The daemon and its Redis see the clock that the file says; a clock that is set does not change what has passed.
  daemon = await openDaemon({ env: clockEnvironment(join(directory, 'clock')) });
});
afterAll(async () => {
  await daemon.close();
  await rm(directory, { recursive: true });
});

/** Sets the daemon's clock so many seconds ahead of ours. */
const setClock = (seconds: number) => writeFile(join(directory, 'clock'), clockText(seconds));

const job = async (id: string) => (await daemon.send<Job>('GET', `job/${id}`)).body;
/** How far the daemon's clock is ahead of ours, in seconds. */
async function ahead(): Promise<number> {
  const answer = await ask(daemon.url.replace(/\/token\/.*/, '/readyz'));
  return (Date.parse(answer.headers.get('date') ?? '') - Date.now()) / 1_000;
}

const hour = 3_600;
test.each([
  ['an hour ahead', hour],
  ['an hour back', -hour],
])('a clock that is set %s in the middle of a start changes nothing of how it ends', async (_what, by) => {
  await setClock(0);
  await until('the clock is right', async () => Math.abs(await ahead()) < 60);
  const [r, i] = [`clock-${by > 0 ? 'ahead' : 'back'}`, newId()];
  const command = ['/bin/sh', '-c', 'sleep 6; exec /bin/httpd -f -p 8080 -h /www'];
  const send = () =>
    daemon.send<Job>(
      'PUT',
      'container',
      { u: '0', r, t: 'geard/sample', i },
      { body: { ports: [{ internal: 8080 }], startSeconds: 20, command } },
    );
  // For some seconds after a clock was set what is accepted too late is told so, and to be sent again.
  await until('it is accepted', async () => (await send()).status === 202, 15_000);
  const unit = `gear-${r}.service`;
  await until('it runs', async () => (await ok('systemctl', 'show', '-P', 'ActiveState', unit)) === 'active');
  await setClock(by);
  await until('the clock is set', async () => Math.abs((await ahead()) - by) < 60);
  expect((await job(i)).state, 'it is set before the gear listens').toBe('running');
  await until('it ends', async () => typeof (await job(i)).finishedAt === 'string', 30_000);
  expect(await job(i)).toMatchObject({ state: 'succeeded', attempts: 1 });
  // Sent again it is the same job, and what comes after it is done as well.
  expect(await send()).toMatchObject({
    status: 200,
    body: { id: expect.stringContaining(i), state: 'succeeded' },
  });
  const { status, body } = await daemon.change('PUT', 'container/stopped', { r });
  expect({ status, state: body.state }).toEqual({ status: 200, state: 'succeeded' });
  const hosts = () => daemon.send<{ hosts: { state: string }[] }>('GET', 'hosts');
  await until('the host is live', async () => (await hosts()).body.hosts[0]?.state === 'live', 20_000);
});
