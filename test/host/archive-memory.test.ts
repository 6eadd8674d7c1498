import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openGit } from '../../src/worker/repository/git/git.ts';
import { outputOf } from '../../src/worker/repository/git/git-output.ts';
import { makeBare, pushFiles } from '../support/repository.ts';
import { ok } from '../support/run.ts';

let directory: string;
let repository: string;
const large = randomBytes(64 * 1024 * 1024);
const never = new AbortController().signal;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'geard-memory-'));
  await ok('chmod', '755', directory);
  repository = await makeBare(join(directory, 'git'));
  await pushFiles(repository, 'main', { large });
  await ok('chmod', '-R', 'a+rX', repository);
});
afterAll(() => rm(directory, { recursive: true, force: true }));

async function archived(format: string, megabytes: number): Promise<Buffer> {
  const program = openGit(repository, ['archive', `--format=${format}`, 'main'], megabytes);
  const chunks: Uint8Array[] = [];
  for await (const chunk of await outputOf(program, 'the archive', never)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

test('an archive of a file of 64 MiB needs no more than 16 MiB, and is the same (security M6)', async () => {
  expect((await archived('zip', 16)).length).toBeGreaterThan(large.length);
  const path = join(directory, 'whole.tar');
  await ok('git', '--git-dir', repository, 'archive', '--format=tar', '-o', path, 'main');
  const digest = createHash('sha256')
    .update(await archived('tar', 16))
    .digest('hex');
  expect(digest).toBe((await ok('sha256sum', path)).split(' ')[0]);
});

test('an archive for which the memory does not suffice says so with the name of the limit', async () => {
  await expect(archived('tar', 1)).rejects.toMatchObject({
    code: 'limit_reached',
    limit: 'archiveMegabytes',
  });
});

test('where memory runs short on the host git is the first to be ended', async () => {
  const program = openGit(repository, ['archive', '--format=tar', 'main'], 16);
  await program.stdout[Symbol.asyncIterator]().next();
  const pids = (await ok('pgrep', '-f', '--', `--git-dir=${repository} `)).split('\n');
  for (const pid of pids) expect(await ok('cat', `/proc/${pid}/oom_score_adj`)).toBe('1000');
  await program.kill();
});
