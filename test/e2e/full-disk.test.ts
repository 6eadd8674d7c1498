import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createClosers } from '../../src/lib/async/closers.ts';
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

/** A daemon whose directory below its base is a disk of its own, which can be filled and freed. */
interface FullDaemon extends Daemon {
  fill(): Promise<void>;
  free(): Promise<void>;
  /** What the disk has of drafts of files. */
  temporaries(): Promise<string[]>;
}

/**
 * One for each test, with a disk for units or for notes on jobs. All are there before the first
 * gear: a worker that starts removes networks of gears that do not run yet.
 */
let units: FullDaemon;
let none: FullDaemon;
let noted: FullDaemon;
let outcome: FullDaemon;
let both: FullDaemon;
beforeAll(async () => {
  await sampleImage();
  [units, none, noted, outcome, both] = await Promise.all([
    openOn('units'),
    openOn('units'),
    openOn('jobs'),
    openOn('jobs'),
    openOn('jobs'),
  ]);
});
const closers = createClosers();
afterAll(closers.close);

async function openOn(directory: string): Promise<FullDaemon> {
  const base = await makeBase();
  const mounted = join(base, directory);
  await mkdir(mounted);
  await ok('mount', '-t', 'tmpfs', '-o', 'size=64k,mode=755', 'full-disk', mounted);
  const daemon = await openDaemon({ base });
  const ballast = join(mounted, 'ballast');
  closers.push(async () => {
    await daemon.stop();
    await removeGearsOf(base);
    await run('umount', '--lazy', mounted);
    await daemon.close();
  });
  return {
    ...daemon,
    async fill() {
      await writeFile(ballast, Buffer.alloc(1024 * 1024)).catch((error) => expect(error.code).toBe('ENOSPC'));
    },
    free: () => rm(ballast, { force: true }),
    temporaries: async () => (await readdir(mounted)).filter((name) => name.endsWith('.tmp')),
  };
}

const full = 'the disk of the host is full; free space on it';
async function put(daemon: Daemon, r: string, body?: object): Promise<string> {
  const i = newId();
  const { status } = await daemon.send('PUT', 'container', { u: '0', r, t: 'geard/sample', i }, { body });
  expect(status).toBe(202);
  return i;
}
const job = async (daemon: Daemon, i: string) => (await daemon.send('GET', `job/${i}`)).body;
const ended = (daemon: Daemon, i: string, deadline?: number) =>
  until(
    'the job is over',
    async () => {
      const { body } = await daemon.send('GET', `job/${i}`, { wait: '20' });
      return body.finishedAt ? body : null;
    },
    deadline,
  );
const clientIsTold = (daemon: Daemon, i: string) =>
  until('the client is told', async () => (await job(daemon, i)).progress?.message.startsWith(full));
const operatorIsTold = (daemon: Daemon) => until('the operator is told', () => daemon.log().includes(full));

test.concurrent('a job that finds no room for a minute fails with words that mend it, and the next one goes well', async () => {
  await none.fill();
  const { error } = await ended(none, await put(none, 'none'), 90_000);
  expect(error).toMatchObject({ code: 'host_unavailable', status: 503 });
  expect(error?.detail).toContain(full);
  expect(await none.temporaries()).toEqual([]);
  await none.free();
  expect(await none.change('PUT', 'container', { r: 'none', t: 'geard/sample' })).toMatchObject({
    status: 200,
  });
});

test.concurrent('a job whose unit has no room says so, leaves nothing, and goes on when there is room (reliability 4)', async () => {
  await units.fill();
  const i = await put(units, 'no-room');
  await clientIsTold(units, i);
  expect(await units.temporaries()).toEqual([]);
  await operatorIsTold(units);
  expect(units.log()).toContain('ENOSPC');
  await units.free();
  expect(await ended(units, i)).toMatchObject({ state: 'succeeded' });
});

test.concurrent('jobs wait while the worker has no room to note them, say so, and run once there is (reliability 4)', async () => {
  await noted.fill();
  const waiting = [await put(noted, 'noted-1'), await put(noted, 'noted-2')];
  for (const i of waiting) await clientIsTold(noted, i);
  expect((await job(noted, waiting[0] ?? '')).state).toBe('queued');
  await operatorIsTold(noted);
  await noted.free();
  for (const i of waiting) expect(await ended(noted, i)).toMatchObject({ state: 'succeeded', attempts: 1 });
});

/** A job that is done in three seconds. */
async function putLate(daemon: Daemon, r: string): Promise<string> {
  const i = await put(daemon, r, {
    ports: [{ internal: 8080 }],
    command: ['/bin/sh', '-c', 'sleep 3; exec /bin/httpd -f -p 8080 -h /www'],
  });
  await until('the gear comes up', async () => (await job(daemon, i)).progress?.step === 'ready');
  return i;
}

test.concurrent('a job that is done while there is no room for its outcome is done once, and told when there is', async () => {
  const i = await putLate(outcome, 'outcome');
  await outcome.fill();
  await clientIsTold(outcome, i);
  expect((await job(outcome, i)).state).toBe('running');
  await outcome.free();
  expect(await ended(outcome, i)).toMatchObject({ state: 'succeeded', attempts: 1 });
});

test.concurrent('a job that is done is not begun again where Redis takes no writes either', async () => {
  const redis = (...command: string[]) =>
    ok('redis-cli', '-s', join(both.base, 'redis/redis.sock'), ...command);
  const i = await putLate(both, 'both');
  await both.fill();
  await redis('config', 'set', 'maxmemory', '1');
  await operatorIsTold(both);
  expect(both.log()).not.toContain('handed back');
  await redis('config', 'set', 'maxmemory', '0');
  await both.free();
  expect(await ended(both, i)).toMatchObject({ state: 'succeeded', attempts: 1 });
  expect(await startsOf('both')).toBe(1);
});
