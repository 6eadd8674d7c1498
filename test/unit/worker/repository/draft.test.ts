import { writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { hostPaths } from '../../../../src/worker/domain/paths.ts';
import { makeDirectories } from '../../../../src/worker/host/files.ts';
import type { HostServices } from '../../../../src/worker/host-services.ts';
import { assertStillSmall, draftOf, sweepDrafts } from '../../../../src/worker/repository/draft.ts';
import { keepLog } from '../../../support/log-lines.ts';

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
    for (let i = 0; i < 10_020; i++) writeFileSync(join(objects, String(i)), '');
  });
  await expect(assertStillSmall(many, limits)).rejects.toThrow('more than 10 objects');
});

test('a draft of which nothing is there yet is small', async () => {
  await expect(assertStillSmall('/nonexistent/draft', limits)).resolves.toBeUndefined();
});

const [lost, broken, known] = ['a', 'b', 'c'].map((digit) => digit.repeat(32)) as [string, string, string];

test('the draft of a job that Redis has lost goes when its git has ended; one that stays is in the log', async () => {
  const base = await mkdtemp(join(tmpdir(), 'geard-draft-'));
  onTestFinished(() => rm(base, { recursive: true }));
  const paths = hostPaths(base);
  await makeDirectories(paths.directories);
  const drafts = { 'my.site': lost, broken, known };
  for (const [resource, job] of Object.entries(drafts)) await mkdir(draftOf(paths, resource, job));
  await mkdir(paths.repository('site'));
  const { log, lines } = keepLog();
  const done: string[] = [];
  const systemd = {
    state: async (unit: string) => {
      const resource = unit.slice('job-'.length, -'.service'.length) as keyof typeof drafts;
      return { description: `geard: makes the repository ${resource} (job ${drafts[resource]})` };
    },
    activity: async () => ({ sub: 'exited' }),
    stop: async (unit: string) => {
      if (unit === 'job-broken.service') throw new Error('D-Bus is away');
      done.push(`${unit} stops beside ${(await readdir(paths.repositories)).length - 1} drafts`);
      return 'done';
    },
    resetFailed: async () => undefined,
  };
  const engine = { removeContainer: async (name: string) => void done.push(`${name} is removed`) };
  await sweepDrafts({ paths, systemd, engine, log } as unknown as HostServices, [known]);
  expect(done).toEqual(['job-my.site.service stops beside 3 drafts', 'job-my.site is removed']);
  expect((await readdir(paths.repositories)).sort()).toEqual([
    `.broken.${broken}`,
    `.known.${known}`,
    'site',
  ]);
  expect(lines).toMatchObject([{ resource: 'broken', job: broken, reason: 'D-Bus is away' }]);
});
