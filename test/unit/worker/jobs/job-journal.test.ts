import { mkdir, mkdtemp, open, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { listenToFailpoints } from '../../../../src/lib/effect.ts';
import { hostPaths } from '../../../../src/worker/domain/paths.ts';
import { makeDirectories, writeComplete } from '../../../../src/worker/host/files.ts';
import { createJobJournal } from '../../../../src/worker/jobs/job-journal.ts';
import { effectsOf } from '../../../support/failpoints.ts';

const id = 'a'.repeat(32);

async function openJournal() {
  const base = await mkdtemp(join(tmpdir(), 'geard-journal-'));
  onTestFinished(() => rm(base, { recursive: true }));
  const paths = hostPaths(base);
  await makeDirectories(paths.directories);
  return Object.assign(createJobJournal(paths), { paths });
}

test('what a job has seen and that it was taken is forgotten when it is over', async () => {
  const journal = await openJournal();
  await journal.take(id, 'digest');
  expect(await journal.wasTaken(id, 'digest')).toBe(true);
  expect(await journal.checkpoint(id, async () => 'first')).toBe('first');
  expect(await journal.checkpoint(id, async () => 'second')).toBe('first');
  await journal.write(id, { fingerprint: 'f', outcome: { state: 'cancelled' } });
  await journal.clear(id);
  expect(await journal.read(id)).toEqual({ fingerprint: 'f', outcome: { state: 'cancelled' } });
  expect(await journal.wasTaken(id, 'digest')).toBe(false);
  expect(await journal.checkpoint(id, async () => 'second')).toBe('second');
});

test('a job that is taken again keeps its mark as it is; another request with its id gets its own', async () => {
  const journal = await openJournal();
  const mark = journal.paths.taken(id);
  await journal.take(id, 'digest');
  const { ino, mtimeNs } = await stat(mark, { bigint: true });
  expect(await effectsOf(() => journal.take(id, 'digest'))).toEqual([]);
  expect(await stat(mark, { bigint: true })).toMatchObject({ ino, mtimeNs });
  const before = await open(mark);
  onTestFinished(() => before.close());
  await journal.take(id, 'other');
  expect(await journal.wasTaken(id, 'other')).toBe(true);
  // Replaced, not written over: no moment has neither text.
  expect(await before.readFile('utf8')).toBe('digest');
  expect(await readdir(journal.paths.jobs)).toEqual([basename(mark)]);
});

test('a mark that cannot be written leaves no draft', async () => {
  const { paths } = await openJournal();
  const mark = paths.taken(id);
  await mkdir(mark); // No file takes the place of a directory.
  await expect(writeComplete(mark, 'digest', 0o600)).rejects.toThrow('EISDIR');
  expect(await readdir(paths.jobs)).toEqual([basename(mark)]);
});

test('what a power cut has brought back of a job that is over is removed, and what is kept for another stays', async () => {
  const journal = await openJournal();
  const other = 'b'.repeat(32);
  await journal.write(id, { fingerprint: 'f', outcome: { state: 'cancelled' } });
  for (const one of [id, other]) {
    await journal.take(one, 'digest');
    await journal.checkpoint(one, async () => 'first');
  }
  await journal.tidy();
  expect([await journal.wasTaken(id, 'digest'), await journal.wasTaken(other, 'digest')]).toEqual([
    false,
    true,
  ]);
  const second = async () => 'second';
  expect([await journal.checkpoint(id, second), await journal.checkpoint(other, second)]).toEqual([
    'second',
    'first',
  ]);
});

test('a job that ends while old files are removed does not stop that', async () => {
  const journal = await openJournal();
  await journal.take(id, 'digest');
  await journal.checkpoint(id, async () => 'first');
  onTestFinished(() => listenToFailpoints(null));
  listenToFailpoints(async (point) => {
    if (point !== 'file.remove:before') return;
    listenToFailpoints(null);
    await journal.clear(id);
  });
  await journal.prune(-60);
  expect(await journal.wasTaken(id, 'digest')).toBe(false);
  expect(await journal.checkpoint(id, async () => 'second')).toBe('second');
});

test('a test can crash the worker at every change of the journal', async () => {
  const journal = await openJournal();
  const changes = await effectsOf(async () => {
    await journal.take(id, 'digest');
    await journal.write(id, { fingerprint: 'f', outcome: { state: 'cancelled' } });
    await journal.clear(id);
  });
  const written = ['file.fsync', 'file.rename', 'directory.fsync'];
  expect(changes).toEqual(['file.write', ...written, 'file.remove', 'file.remove']);
});
