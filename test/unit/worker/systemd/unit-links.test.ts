import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { listenToFailpoints } from '../../../../src/lib/effect.ts';
import { createUnitLinks } from '../../../../src/worker/systemd/unit-links.ts';

const unit = 'gear-web.service';
const path = `/srv/gears/units/${unit}`;
const draft = `.${unit}.new`;

/** Links of gears that `boot.target` starts, in a directory that has others' units, too. */
async function openLinks() {
  const directory = await mkdtemp(join(tmpdir(), 'geard-units-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  await mkdir(join(directory, 'other.target.wants'));
  await writeFile(join(directory, 'nightly.service'), '');
  const links = createUnitLinks(['boot.target'], directory);
  /** What lies there, without the directories. */
  const left = async () => {
    const entries = await readdir(directory, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => !entry.isDirectory());
    return files.map(({ parentPath, name }) => join(parentPath, name).slice(directory.length + 1)).sort();
  };
  return { directory, links, left };
}

/** Ends the work at a point, as if the worker were killed there. */
async function killedAt(point: string, hits: number, work: () => Promise<unknown>): Promise<void> {
  let left = hits;
  onTestFinished(() => listenToFailpoints(null));
  listenToFailpoints((reached) => {
    if (reached === point && --left === 0) throw new Error('killed');
  });
  await expect(work()).rejects.toThrow('killed');
  listenToFailpoints(null);
}

test.each([
  { hits: 1, drafts: [draft] },
  { hits: 2, drafts: [`boot.target.wants/${draft}`, unit] },
])('a removal leaves no draft of link $hits that a killed worker has left', async ({ hits, drafts }) => {
  const { links, left } = await openLinks();
  await killedAt('link.place:before', hits, () => links.place(path, true));
  expect(await left()).toEqual([...drafts, 'nightly.service'].sort());
  expect(await links.remove(unit)).toBe(hits === 2);
  expect(await left()).toEqual(['nightly.service']);
});

test('a gear that is disabled keeps its link, and has no draft where it was enabled', async () => {
  const { directory, links, left } = await openLinks();
  await links.place(path, true);
  const others = join('other.target.wants', draft);
  await symlink(path, join(directory, 'boot.target.wants', draft));
  await symlink(path, join(directory, others));
  expect(await links.disable(unit)).toBe(true);
  expect(await left()).toEqual([unit, 'nightly.service', others].sort());
  expect(await links.disable(unit)).toBe(false);
});

test('a file under the name of a gear’s unit stays', async () => {
  const { directory, links, left } = await openLinks();
  await writeFile(join(directory, unit), '');
  expect(await links.remove(unit)).toBe(false);
  expect(await left()).toEqual([unit, 'nightly.service']);
});
