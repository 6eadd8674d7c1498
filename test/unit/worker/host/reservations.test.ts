import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { pause } from '../../../../src/lib/async/pause.ts';
import { listenToFailpoints } from '../../../../src/lib/effect.ts';
import { hostPaths } from '../../../../src/worker/domain/paths.ts';
import { makeDirectories } from '../../../../src/worker/host/files.ts';
import { createReservations } from '../../../../src/worker/host/ports.ts';
import { ok } from '../../../support/run.ts';

/** The port that a gear, which is no more, has left reserved; jobs on a and b are under way. */
async function openStalePort() {
  const base = await mkdtemp(join(tmpdir(), 'geard-ports-'));
  onTestFinished(() => rm(base, { recursive: true }));
  const paths = hostPaths(base);
  await makeDirectories(paths.directories);
  await symlink(paths.portTarget('gone'), paths.port(4000));
  return createReservations(paths, (resource) => resource !== 'gone');
}

/** Has the work done at once when somebody is about to remove a reservation, which waits for it if it can be done then. */
function atRemoval<T>(work: () => Promise<T>): () => Promise<T | null> {
  let done: Promise<T> | null = null;
  listenToFailpoints(async (point) => {
    if (point !== 'port.release:before' || done !== null) return;
    done = work();
    await Promise.race([done, pause(300)]);
  });
  onTestFinished(() => listenToFailpoints(null));
  return async () => done;
}

test('of two gears that take over what a third has left one gets it', async () => {
  const reservations = await openStalePort();
  const second = atRemoval(() => reservations.reserve(4000, 'b'));
  expect([await reservations.reserve(4000, 'a'), await second()]).toEqual([true, false]);
  expect(await reservations.list('a')).toEqual([4000]);
});

test('what a gear takes over is not given back as stale', async () => {
  const reservations = await openStalePort();
  const taken = atRemoval(() => reservations.reserve(4000, 'b'));
  expect([await reservations.releaseStale(), await taken()]).toEqual([[4000], true]);
  expect(await reservations.list('b')).toEqual([4000]);
});

test('a port that only root may open is left to the engine where the worker may not open it', async () => {
  const script = "import('./src/worker/host/ports.ts').then((it) => it.portIsFree(443)).then(console.log)";
  const node = [process.execPath, '--import', 'tsx', '-e', script];
  const withoutIt = ['--bounding-set=-net_bind_service', '--inh-caps=-net_bind_service'];
  expect(await ok('setpriv', ...withoutIt, ...node)).toBe('true');
});
