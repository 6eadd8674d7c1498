import { mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { assertStillSmall } from '../../../../src/worker/repository/draft.ts';

const limits = { seconds: 60, megabytes: 2, objects: 10 };

async function draftWith(make: (directory: string) => Promise<void>): Promise<string> {
  const draft = await mkdtemp(join(tmpdir(), 'geard-draft-'));
  onTestFinished(() => rm(draft, { recursive: true }));
  const objects = join(draft, 'repository', 'objects', 'pack');
  await mkdir(objects, { recursive: true });
  await make(objects);
  return draft;
}

const sparse = (path: string, bytes: number) => writeFile(path, '').then(() => truncate(path, bytes));

test('a draft that grows beyond the bytes or the objects of a repository is refused before it is whole', async () => {
  const small = await draftWith((objects) => sparse(join(objects, 'a.pack'), 1024 ** 2));
  await expect(assertStillSmall(small, limits)).resolves.toBeUndefined();
  const large = await draftWith(async (objects) => {
    for (const name of ['a', 'b', 'c']) await sparse(join(objects, `${name}.pack`), 1024 ** 2);
  });
  await expect(assertStillSmall(large, limits)).rejects.toThrow('larger than 2 MiB');
  const many = await draftWith(async (objects) => {
    for (let i = 0; i < 10_020; i++) await writeFile(join(objects, String(i)), '');
  });
  await expect(assertStillSmall(many, limits)).rejects.toThrow('more than 10 objects');
});

test('a draft of which nothing is there yet is small', async () => {
  await expect(assertStillSmall('/nonexistent/draft', limits)).resolves.toBeUndefined();
});
