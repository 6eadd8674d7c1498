import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Disk, openDisk } from '../../crash/lab/disk.ts';
import { create } from '../../src/worker/handlers/repository.ts';
import type { JobContext } from '../../src/worker/jobs/context.ts';
import { makerOf } from '../../src/worker/repository/draft.ts';
import { effectsOf } from '../support/failpoints.ts';
import { type OpenHostServices, openHostServices } from '../support/host-services.ts';
import { ok } from '../support/run.ts';

let directory: string;
let disk: Disk;
let open: OpenHostServices;
beforeAll(async () => {
  directory = await mkdtemp('/var/lib/gears-test-');
  await ok('chmod', '755', directory);
  disk = await openDisk(directory, 'h1', []);
  open = await openHostServices(join(directory, 'h1'));
});
afterAll(async () => {
  await open.close().catch(() => undefined); // The place where the disk was mounted stays.
  await disk.close();
  await rm(directory, { recursive: true, force: true });
});

/** A job that makes an empty repository. */
function make(resource: string, job: string) {
  const context = {
    job,
    tenant: '0',
    sees: () => true,
    services: open.services,
    signal: new AbortController().signal,
    report: () => undefined,
    checkpoint: (look: () => Promise<string>) => look(),
  } satisfies JobContext;
  return create.run({ resource, url: null }, context);
}

test('a repository that was made is whole after a power cut', async () => {
  const job = '1'.repeat(32);
  const made = await make('cut', job);
  await disk.cutPower();
  expect(await readFile(join(made.path, 'HEAD'), 'utf8')).toBe('ref: refs/heads/main\n');
  expect((await readdir(made.path)).sort()).toEqual(['HEAD', 'config', 'objects', 'refs']);
  expect(await makerOf(open.paths, 'cut')).toBe(job);
  expect(await ok('git', '-c', 'safe.directory=*', '-C', made.path, 'fsck', '--strict')).toBe('');
});

test('a test can crash the worker at every step that makes a repository what it is', async () => {
  const effects = await effectsOf(() => make('steps', '2'.repeat(32)));
  const steps = effects.filter((name) => /^(?:draft|file|filesystem|directory)\./.test(name));
  const made = ['draft.remove', 'draft.open', 'draft.adopt', 'file.write'];
  expect(steps).toEqual([...made, 'filesystem.sync', 'file.rename', 'directory.fsync', 'draft.remove']);
});
