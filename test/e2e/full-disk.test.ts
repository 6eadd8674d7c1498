import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { newId } from '../support/client.ts';
import {
  type Daemon,
  makeBase,
  openDaemon,
  removeGearsOf,
  sampleImage,
  startsOf,
} from '../support/daemon.ts';
import { ok, run } from '../support/run.ts';
import { until } from '../support/until.ts';

let daemon: Daemon;
let mounted = '';
afterEach(async () => {
  await daemon.stop();
  await removeGearsOf(daemon.base);
  await run('umount', '--lazy', mounted);
  await daemon.close();
});

/** A daemon whose directory below its base is a disk of its own, which can be filled and freed. */
async function openOn(directory: string): Promise<{ fill(): Promise<void>; free(): Promise<void> }> {
  await sampleImage();
  const base = await makeBase();
  mounted = join(base, directory);
  await mkdir(mounted);
  await ok('mount', '-t', 'tmpfs', '-o', 'size=64k,mode=755', 'full-disk', mounted);
  daemon = await openDaemon({ base });
  const ballast = join(mounted, 'ballast');
  return {
    async fill() {
      await writeFile(ballast, Buffer.alloc(1024 * 1024)).catch((error) => expect(error.code).toBe('ENOSPC'));
    },
    free: () => rm(ballast),
  };
}

const full = 'the disk of the host is full; free space on it';
const temporaries = async () => (await readdir(mounted)).filter((name) => name.endsWith('.tmp'));
async function put(r: string): Promise<string> {
  const i = newId();
  const { status } = await daemon.send('PUT', 'container', { u: '0', r, t: 'geard/sample', i });
  expect(status).toBe(202);
  return i;
}
const job = async (i: string) => (await daemon.send('GET', `job/${i}`)).body;
const ended = (i: string) =>
  until('the job is over', async () => {
    const { body } = await daemon.send('GET', `job/${i}`, { wait: '20' });
    return body.finishedAt ? body : null;
  });

test('a job whose unit has no room says so, leaves nothing, and goes on when there is room (reliability 4)', async () => {
  const disk = await openOn('units');
  await disk.fill();
  const i = await put('no-room');
  await until('the client is told', async () => (await job(i)).progress?.message.startsWith(full));
  expect(await temporaries()).toEqual([]);
  await until('the operator is told', () => daemon.log().includes(full));
  expect(daemon.log()).toContain('ENOSPC');
  await disk.free();
  expect(await ended(i)).toMatchObject({ state: 'succeeded' });
});

test('a job that finds no room for a minute fails with words that mend it, and the next one goes well', async () => {
  const disk = await openOn('units');
  await disk.fill();
  const failed = await daemon.send(
    'PUT',
    'container',
    { u: '0', r: 'none', t: 'geard/sample', i: newId() },
    {
      headers: { Prefer: 'wait=60' },
    },
  );
  const body = failed.status === 202 ? (await ended(failed.body.id)).error : failed.body;
  expect(body).toMatchObject({ code: 'host_unavailable', status: 503 });
  expect(body?.detail).toContain(full);
  expect(await temporaries()).toEqual([]);
  await disk.free();
  expect(await daemon.change('PUT', 'container', { r: 'none', t: 'geard/sample' })).toMatchObject({
    status: 200,
  });
});

test('jobs wait while the worker has no room to note them, say so, and run once there is (reliability 4)', async () => {
  const disk = await openOn('jobs');
  await disk.fill();
  const waiting = [await put('noted-1'), await put('noted-2')];
  for (const i of waiting)
    await until('the client is told', async () => (await job(i)).progress?.message.startsWith(full));
  expect((await job(waiting[0] ?? '')).state).toBe('queued');
  await until('the operator is told', () => daemon.log().includes(full));
  await disk.free();
  for (const i of waiting) expect(await ended(i)).toMatchObject({ state: 'succeeded', attempts: 1 });
});

/** A job that is done in three seconds. */
async function putLate(r: string): Promise<string> {
  const i = newId();
  const late = {
    ports: [{ internal: 8080 }],
    command: ['/bin/sh', '-c', 'sleep 3; exec /bin/httpd -f -p 8080 -h /www'],
  };
  await daemon.send('PUT', 'container', { u: '0', r, t: 'geard/sample', i }, { body: late });
  await until('the gear comes up', async () => (await job(i)).progress?.step === 'ready');
  return i;
}

test('a job that is done while there is no room for its outcome is done once, and told when there is', async () => {
  const disk = await openOn('jobs');
  const i = await putLate('outcome');
  await disk.fill();
  await until('the client is told', async () => (await job(i)).progress?.message.startsWith(full));
  expect((await job(i)).state).toBe('running');
  await disk.free();
  expect(await ended(i)).toMatchObject({ state: 'succeeded', attempts: 1 });
});

test('a job that is done is not begun again where Redis takes no writes either', async () => {
  const disk = await openOn('jobs');
  const redis = (...command: string[]) =>
    ok('redis-cli', '-s', join(daemon.base, 'redis/redis.sock'), ...command);
  const i = await putLate('both');
  await disk.fill();
  await redis('config', 'set', 'maxmemory', '1');
  await until('the operator is told', () => daemon.log().includes(full));
  expect(daemon.log()).not.toContain('handed back');
  await redis('config', 'set', 'maxmemory', '0');
  await disk.free();
  expect(await ended(i)).toMatchObject({ state: 'succeeded', attempts: 1 });
  expect(await startsOf('both')).toBe(1);
});
