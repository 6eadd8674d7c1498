import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Failure } from '../../../../src/jobs/errors.ts';
import { hostPaths } from '../../../../src/worker/domain/paths.ts';
import { create } from '../../../../src/worker/handlers/repository.ts';
import { makeDirectories } from '../../../../src/worker/host/files.ts';
import { type JobContext, staysInEffect } from '../../../../src/worker/jobs/context.ts';
import { draftOf } from '../../../../src/worker/repository/draft.ts';

const job = 'a'.repeat(32);

test('a refused job whose repository is in place already leaves nothing beside it', async () => {
  const base = await mkdtemp(join(tmpdir(), 'geard-repository-'));
  onTestFinished(() => rm(base, { recursive: true }));
  const paths = hostPaths(base);
  await makeDirectories(paths.directories);
  await mkdir(paths.repository('site'));
  await writeFile(join(paths.repository('site'), 'config'), `[geard]\n\tjob = ${job}\n`);
  await mkdir(draftOf(paths, 'site', job));
  const context = { services: { paths }, job } as unknown as JobContext;
  const refused = new Failure('token_invalid', 'the request needs a valid token');
  expect(await create.abandon?.('site', context, refused)).toBe(staysInEffect);
  expect(await readdir(paths.repositories)).toEqual(['site']);
});
