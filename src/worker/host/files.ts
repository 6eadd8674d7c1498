import { randomBytes } from 'node:crypto';
import { chmod, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Failure } from '../../jobs/errors.ts';
import { effect } from '../../lib/effect.ts';
import { exec } from '../../lib/exec.ts';

/** Milliseconds a file system may take to write everything that it holds in memory. */
const syncDeadline = 60_000;

const temporary = /^\..+\.[0-9a-f]{12}\.tmp$/;

/**
 * Replaces a file so that after a crash either the old or the new text is there, whole: write,
 * fsync, rename.
 */
export async function writeDurably(path: string, text: string, mode: number): Promise<void> {
  const directory = dirname(path);
  const draft = join(directory, `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    const file = await open(draft, 'wx', mode);
    try {
      await file.writeFile(text);
      await effect('file.fsync', () => file.sync(), path);
    } finally {
      await file.close();
    }
    await effect('file.rename', () => rename(draft, path), path);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined); // The next start of a worker removes what is left.
    throw error;
  }
  await syncDirectory(directory);
}

/**
 * What an error of the file system means that passes when somebody makes room or mends the disk;
 * else null.
 */
export function asDiskFailure(error: unknown): Failure | null {
  const code = codeOf(error);
  if (code === 'ENOSPC' || code === 'EDQUOT') return diskIsFull(error);
  if (code !== 'EROFS' && code !== 'EIO') return null;
  const detail = `the disk of the host cannot be written to (${code}); look at it and at the log of its kernel`;
  return new Failure('host_unavailable', detail, { transient: true, cause: error });
}

/** Whether a program says so, in the words of the C library or of Go's. */
export const saysDiskIsFull = (text: string) => /no space left on device|disk quota exceeded/i.test(text);

export const diskIsFull = (cause: unknown) =>
  new Failure('host_unavailable', 'the disk of the host is full; free space on it', {
    transient: true,
    cause,
  });

/** Removes a file if it is there, and makes sure that it stays away after a crash. */
export async function removeDurably(path: string): Promise<void> {
  const removed = effect('file.remove', () => rm(path), path);
  if ((await nullIfAbsent(removed)) !== null) await syncDirectory(dirname(path));
}

/** Renames a file of a directory if it is there; after a crash it has one name or the other. */
export async function renameDurably(from: string, to: string): Promise<void> {
  const renamed = effect('file.rename', () => rename(from, to), to);
  if ((await nullIfAbsent(renamed)) !== null) await syncDirectory(dirname(to));
}

/**
 * Makes directories that all may pass, whatever the umask; what is there already is left as it is.
 */
export async function makeDirectories(directories: string[]): Promise<void> {
  for (const directory of directories) {
    const made = await mkdir(directory, { recursive: true });
    if (made === undefined) continue;
    await chmod(directory, 0o755);
    await syncDirectory(dirname(directory));
  }
}

/** Removes what a crash has left of `writeDurably`. */
export async function sweepTemporaryFiles(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (temporary.test(name)) await rm(join(directory, name), { force: true });
  }
}

/**
 * Has the entries of a directory on disk (fsync(2): the file's own sync does not cover its entry).
 */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await effect('directory.fsync', () => handle.sync(), directory);
  } finally {
    await handle.close();
  }
}

/**
 * Has everything that was written to a file system on its disk, with one syncfs(2) however many
 * files it is. Throws a transient `host_unavailable` when the disk does not take it.
 */
export function syncFileSystem(path: string, signal: AbortSignal): Promise<void> {
  return effect('filesystem.sync', async () => {
    try {
      const args = ['--file-system', '--', path];
      const { status, stderr } = await exec('sync', args, { deadline: syncDeadline, signal });
      if (status !== 0) throw new Error(stderr.trim());
    } catch (cause) {
      signal.throwIfAborted();
      const detail =
        'the disk of the host cannot be written to, or is too slow; look at it and its kernel log';
      throw new Failure('host_unavailable', detail, { transient: true, cause });
    }
  });
}

/** The code of a system error, such as EEXIST. */
export const codeOf = (error: unknown) =>
  error instanceof Error && 'code' in error ? String(error.code) : undefined;

export const isAbsence = (error: unknown) => codeOf(error) === 'ENOENT';

/** What an operation on a file results in; null where there is no such file. */
export async function nullIfAbsent<T>(operation: Promise<T>): Promise<T | null> {
  return operation.catch((error) => {
    if (isAbsence(error)) return null;
    throw error;
  });
}
