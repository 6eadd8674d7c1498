import {
  chmod,
  chown,
  lchown,
  lstat,
  mkdir,
  opendir,
  readdir,
  rename,
  rm,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Logger } from 'pino';
import { Failure, repositoryExists } from '../../jobs/errors.ts';
import { effect } from '../../lib/effect.ts';
import { nullIfAbsent, readIfThere } from '../../lib/files/if-there.ts';
import type { HostPaths } from '../domain/paths.ts';
import { codeOf, syncDirectory, syncFileSystem } from '../host/files.ts';
import type { HostServices } from '../host-services.ts';
import { assertNotTooLarge, type CloneLimits, tooManyObjects } from './clone-limits.ts';
import { repositoryName } from './git/git-container.ts';
import { gitUser } from './git/git-user.ts';
import { stopGitUnit } from './git/run-git-unit.ts';

/**
 * The directory in which a job makes a repository before moving it into place. Listings skip names
 * that begin with a dot.
 */
export const draftOf = (paths: HostPaths, resource: string, job: string) =>
  join(paths.repositories, `.${resource}.${job}`);

/** Creates the draft's directory, empty, for git's own user. */
export async function openDraft(draft: string): Promise<void> {
  await removeDraft(draft);
  await effect('draft.open', () => mkdir(draft, { mode: 0o700 }), draft);
  await chown(draft, gitUser.uid, gitUser.gid);
}

export async function hasDraft(draft: string): Promise<boolean> {
  return (await nullIfAbsent(lstat(draft))) !== null;
}

export async function removeDraft(draft: string): Promise<void> {
  await effect('draft.remove', () => rm(draft, { recursive: true, force: true }), draft);
}

/**
 * The parts of a bare repository to keep. Everything else from git is removed; the configuration is
 * ours.
 */
const parts = new Set(['HEAD', 'objects', 'refs', 'packed-refs', 'shallow']);

/**
 * Checks the container's output and gives it to root: only plain files and directories, within the
 * limits. Throws `clone_failed`.
 */
export async function adoptDraft(draft: string, job: string, limits: CloneLimits): Promise<string> {
  const repository = join(draft, repositoryName);
  // First of all: from here on no other user can change the files. `takeOver` then refuses pipes
  // and links.
  await effect('draft.adopt', () => chown(draft, 0, gitUser.gid), draft);
  await chmod(draft, 0o750);
  const bytes = await takeOver(repository);
  assertNotTooLarge(bytes, limits);
  const theirs = (await readIfThere(join(repository, 'config'))) ?? '';
  const sha256 = /^\s*objectformat\s*=\s*sha256\s*$/im.test(theirs);
  for (const name of await readdir(repository)) {
    if (!parts.has(name)) await rm(join(repository, name), { recursive: true, force: true });
  }
  await rm(join(repository, 'objects', 'info', 'alternates'), { force: true });
  await rm(join(repository, 'objects', 'info', 'http-alternates'), { force: true });
  const ours = configuration(job, sha256);
  await effect('file.write', () => writeFile(join(repository, 'config'), ours, { mode: 0o644, flag: 'wx' }));
  return repository;
}

/** Files that git makes beside the objects, at most: packs with their indexes, refs, samples. */
const otherFiles = 10_000;

/**
 * Throws `clone_failed` when a draft in the making is already larger than a repository may be: a
 * "dumb" HTTP server may send files without end. Stops counting then.
 */
export async function assertStillSmall(draft: string, limits: CloneLimits): Promise<void> {
  let [bytes, files] = [0, 0];
  const count = async (directory: string): Promise<void> => {
    for await (const entry of (await nullIfAbsent(opendir(directory))) ?? []) {
      const path = join(directory, entry.name);
      if (entry.isDirectory()) await count(path);
      else bytes += (await nullIfAbsent(lstat(path)))?.size ?? 0; // git removes files meanwhile.
      assertNotTooLarge(bytes, limits);
      if (++files > limits.objects + otherFiles) throw tooManyObjects(limits.objects);
    }
  };
  await count(join(draft, repositoryName));
}

/** Gives a tree to root and returns its size in bytes. */
async function takeOver(path: string): Promise<number> {
  const stats = await lstat(path);
  const plain = stats.isDirectory() || (stats.isFile() && stats.nlink === 1);
  if (!plain)
    throw new Failure('clone_failed', 'the repository has an entry that is neither a file nor a directory');
  await lchown(path, 0, 0);
  if (!stats.isDirectory()) return stats.size;
  let bytes = 0;
  for (const name of await readdir(path)) bytes += await takeOver(join(path, name));
  return bytes;
}

/**
 * Makes all files readable by all, even if root pushes with another umask: the directory above
 * admits only git's own user. git checks pushes like clones, because archives are made from both.
 */
function configuration(job: string, sha256: boolean): string {
  const format = sha256 ? '\trepositoryformatversion = 1\n' : '\trepositoryformatversion = 0\n';
  const extensions = sha256 ? '[extensions]\n\tobjectformat = sha256\n' : '';
  return `[core]\n${format}\tfilemode = true\n\tbare = true\n\tsharedRepository = world\n${extensions}[transfer]\n\tfsckObjects = true\n[geard]\n\tjob = ${job}\n`;
}

/** The job that made a repository; null when there is no repository, or none of ours. */
export async function makerOf(paths: HostPaths, resource: string): Promise<string | null> {
  const config = await readIfThere(join(paths.repository(resource), 'config'));
  return /^\[geard\]\n\tjob = ([0-9a-f]{32})$/m.exec(config ?? '')?.[1] ?? null;
}

/**
 * Moves a repository into place, which completes it. Syncs all of it first, because git does not
 * sync its files. Throws `repository_exists`.
 */
export async function moveIntoPlace(
  paths: HostPaths,
  repository: string,
  resource: string,
  signal: AbortSignal,
): Promise<void> {
  await syncFileSystem(repository, signal);
  const place = paths.repository(resource);
  try {
    await effect('file.rename', () => rename(repository, place), place);
  } catch (error) {
    if (!['ENOTEMPTY', 'EEXIST'].includes(codeOf(error) ?? '')) throw error;
    throw repositoryExists(resource);
  }
  await syncDirectory(paths.repositories);
}

/** Admits only git's own user, besides root, to the directory of the repositories. */
export async function openRepositories({ base, repositories }: HostPaths, log: Logger): Promise<void> {
  await chown(repositories, 0, gitUser.gid);
  await chmod(repositories, 0o750);
  for (const directory of await impassable(base))
    log.warn({ directory }, 'other users cannot enter this directory (chmod o+x): no archive can be created');
}

/** The directories on the way to a base that git's own user may not enter. */
export async function impassable(base: string): Promise<string[]> {
  const found: string[] = [];
  for (let above = base; above !== '/'; above = dirname(above)) {
    const { mode } = await lstat(above);
    if ((mode & 0o001) === 0) found.push(above);
  }
  return found;
}

/** Removes what a job has made beside a repository's place, and ends git's work on it. */
export async function abandonDraft(services: HostServices, resource: string, job: string): Promise<void> {
  await stopGitUnit(services, resource, job);
  await removeDraft(draftOf(services.paths, resource, job));
}

/**
 * Removes the drafts of jobs that are no longer open: Redis has lost their records, perhaps while
 * git worked in its own unit. One that cannot be removed stays until the next start.
 */
export async function sweepDrafts(services: HostServices, openJobs: readonly string[]): Promise<void> {
  for (const name of await readdir(services.paths.repositories)) {
    const [, resource, job] = /^\.(.+)\.([0-9a-f]{32})$/.exec(name) ?? [];
    if (!resource || !job || openJobs.includes(job)) continue;
    await abandonDraft(services, resource, job).catch(({ message }: Error) =>
      services.log.warn({ resource, job, reason: message }, 'what a lost job has made cannot be removed'),
    );
  }
}
