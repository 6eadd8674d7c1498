import { randomBytes } from 'node:crypto';
import { chmod, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { effect } from '../../lib/failpoint.ts';

const temporary = /^\..+\.[0-9a-f]{12}\.tmp$/;

/** Replaces a file so that after a crash either the old or the new text is there, whole: write, fsync, rename. */
export async function writeDurably(path: string, text: string, mode: number): Promise<void> {
  const directory = dirname(path);
  const draft = join(directory, `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);
  const file = await open(draft, 'wx', mode);
  try {
    await file.writeFile(text);
    await effect('file.fsync', () => file.sync());
  } finally {
    await file.close();
  }
  await effect('file.rename', () => rename(draft, path));
  await syncDirectory(directory);
}

/** Removes a file if it is there, and makes sure that it stays away after a crash. */
export async function removeDurably(path: string): Promise<void> {
  try {
    await effect('file.remove', () => rm(path));
  } catch (error) {
    if (isAbsence(error)) return;
    throw error;
  }
  await syncDirectory(dirname(path));
}

export { readIfThere } from '../../lib/replace-file.ts';

/** Makes directories that all may pass, whatever the umask; what is there already is left as it is. */
export async function makeDirectories(directories: string[]): Promise<void> {
  for (const directory of directories) {
    const made = await mkdir(directory, { recursive: true });
    if (made !== undefined) await chmod(directory, 0o755);
  }
}

/** Removes what a crash has left of `writeDurably`. */
export async function sweepTemporaryFiles(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (temporary.test(name)) await rm(join(directory, name), { force: true });
  }
}

/** Has the entries of a directory on disk (fsync(2): the file's own sync does not cover its entry). */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await effect('directory.fsync', () => handle.sync());
  } finally {
    await handle.close();
  }
}

export function isAbsence(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}
