import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ok } from './run.ts';

/** Git's settings for files that compression makes no smaller. */
const asTheyAre = ['-c', 'core.compression=0', '-c', 'pack.window=0'];
const identity = ['-c', 'user.name=Somebody', '-c', 'user.email=somebody@example.org'];

/** Commits files to a branch of a repository on this host, by a clone and a push as anybody would. `settings`: for git. */
export async function pushFiles(
  repository: string,
  branch: string,
  files: Record<string, string | Buffer>,
  settings: string[] = [],
): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), 'geard-work-'));
  try {
    await ok('git', 'clone', '--quiet', repository, work);
    await ok('git', '-C', work, 'checkout', '--quiet', '-B', branch);
    for (const [name, content] of Object.entries(files)) {
      await mkdir(dirname(join(work, name)), { recursive: true });
      await writeFile(join(work, name), content);
    }
    const git = (...args: string[]) => ok('git', '-C', work, ...settings, ...args);
    await git('add', '--all');
    await git(...identity, 'commit', '--quiet', '--message', 'Files');
    await git('push', '--quiet', 'origin', `HEAD:refs/heads/${branch}`);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Makes an empty bare repository at a path, and returns the path. */
export async function makeBare(path: string): Promise<string> {
  await ok('git', 'init', '--quiet', '--bare', '--initial-branch=main', path);
  return path;
}

/** Makes one with files on `main`, which can be served as files itself, and returns its path. */
export async function makeServed(path: string, files: Record<string, string | Buffer>): Promise<string> {
  await makeBare(path);
  await pushFiles(path, 'main', files);
  await ok('git', '--git-dir', path, 'update-server-info');
  return path;
}

/** A megabyte as random as can be, or of words, which compresses as source code does. */
function megabyte(kind: 'random' | 'words'): Buffer {
  if (kind === 'random') return randomBytes(1024 * 1024);
  const text = randomBytes(256 * 1024)
    .toString('base64')
    .replace(/[+/0-9]/g, ' ')
    .toLowerCase();
  return Buffer.from(text.repeat(4).slice(0, 1024 * 1024));
}

/** Fills a repository with so many megabytes on `main`, and a few small files on `side`. */
export async function fillRepository(
  repository: string,
  megabytes: number,
  kind: 'random' | 'words' = 'random',
): Promise<void> {
  const large = Array.from({ length: megabytes }, (_, i) => [`large/${i}.bin`, megabyte(kind)] as const);
  await pushFiles(repository, 'main', Object.fromEntries(large), kind === 'random' ? asTheyAre : []);
  await ok('git', '--git-dir', repository, 'symbolic-ref', 'HEAD', 'refs/heads/main');
  const work = await mkdtemp(join(tmpdir(), 'geard-work-'));
  const git = (...args: string[]) => ok('git', '-C', work, ...args);
  await ok('git', 'init', '--quiet', '--initial-branch=side', work);
  await writeFile(join(work, 'readme'), 'side\n');
  await mkdir(join(work, 'sub'));
  await writeFile(join(work, 'sub', 'ü name with spaces'), 'x\n');
  await git('-c', 'core.quotePath=false', 'add', '--all');
  await git(...identity, 'commit', '--quiet', '--message', 'Side');
  await git(...identity, 'tag', '--annotate', '--message', 'One', 'v1');
  await git('push', '--quiet', repository, 'side', 'side:feature/deep', 'v1');
  await rm(work, { recursive: true });
}
