import { randomBytes } from 'node:crypto';
import { chmod, mkdir, open, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { z } from 'zod';
import { type Failure, hostUnavailable } from '../../jobs/errors.ts';
import { effect } from '../../lib/effect.ts';
import { exec } from '../../lib/exec.ts';
import { nullIfAbsent, readIfThere } from '../../lib/files/if-there.ts';

/** Timeout for a file system to write everything that it holds in memory, in milliseconds. */
const syncDeadline = 60_000;

const temporary = /^\..+\.[0-9a-f]{12}\.tmp$/;

/**
 * Replaces a file so that after a crash either the old or the new text is there, complete: write,
 * fsync, rename.
 */
export async function writeDurably(path: string, text: string, mode: number): Promise<void> {
  await withDraft(path, async (draft) => {
    const file = await open(draft, 'wx', mode);
    try {
      await file.writeFile(text);
      await effect('file.fsync', () => file.sync(), path);
    } finally {
      await file.close();
    }
    await effect('file.rename', () => rename(draft, path), path);
  });
  await syncDirectory(dirname(path));
}

/**
 * Replaces a file so that either the old or the new text is there, complete, whenever this process
 * ends or the disk is full. After a power cut the file may be empty.
 */
export function writeComplete(path: string, text: string, mode: number): Promise<void> {
  const write = (draft: string) =>
    writeFile(draft, text, { mode, flag: 'wx' }).then(() => rename(draft, path));
  return effect('file.write', () => withDraft(path, write), path);
}

/** Writes a file by a draft beside it; removes the draft if that fails. */
async function withDraft(path: string, write: (draft: string) => Promise<void>): Promise<void> {
  const draft = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    await write(draft);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined); // The next worker start cleans up.
    throw error;
  }
}

/** The text of a file; makes it durably, for its owner only, if it does not exist. */
export async function readOrMake(path: string, make: () => string | Promise<string>): Promise<string> {
  const there = await readIfThere(path);
  if (there !== null) return there;
  const made = await make();
  await writeDurably(path, made, 0o600);
  return made;
}

/** Reads a file of `writeJson`; null when there is none. */
export async function readJson<T>(path: string, schema: z.ZodType<T>): Promise<T | null> {
  const text = await readIfThere(path);
  return text === null ? null : schema.parse(JSON.parse(text));
}

/** Writes JSON as `writeDurably` does, for the file's owner only. */
export const writeJson = (path: string, content: object) =>
  writeDurably(path, JSON.stringify(content), 0o600);

/**
 * The failure for an error of the file system that passes when an operator makes room or repairs
 * the disk; null for other errors.
 */
export function asDiskFailure(error: unknown): Failure | null {
  const code = codeOf(error);
  if (code === 'ENOSPC' || code === 'EDQUOT') return diskIsFull(error);
  if (code !== 'EROFS' && code !== 'EIO') return null;
  const detail = `the disk of the host cannot be written to (${code}); check the disk and the kernel log`;
  return hostUnavailable(detail, error);
}

/** Whether a program reports a full disk, in the words of the C library or of Go's. */
export const saysDiskIsFull = (text: string) => /no space left on device|disk quota exceeded/i.test(text);

export const diskIsFull = (cause: unknown) =>
  hostUnavailable('the disk of the host is full; free space on it', cause);

/** Removes a file if it exists, and ensures that it stays away after a crash. */
export async function removeDurably(path: string): Promise<void> {
  const removed = effect('file.remove', () => rm(path), path);
  if ((await nullIfAbsent(removed)) !== null) await syncDirectory(dirname(path));
}

/** Renames a file within its directory if it exists; after a crash it has one name or the other. */
export async function renameDurably(from: string, to: string): Promise<void> {
  const renamed = effect('file.rename', () => rename(from, to), to);
  if ((await nullIfAbsent(renamed)) !== null) await syncDirectory(dirname(to));
}

/** Creates directories that all may enter, whatever the umask; leaves existing ones as they are. */
export async function makeDirectories(directories: string[]): Promise<void> {
  for (const directory of directories) {
    const made = await mkdir(directory, { recursive: true });
    if (made === undefined) continue;
    await chmod(directory, 0o755);
    await syncDirectory(dirname(directory));
  }
}

/** Removes drafts that a crash has left. */
export async function sweepTemporaryFiles(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (temporary.test(name)) await rm(join(directory, name), { force: true });
  }
}

/** Writes a directory's entries to disk (fsync(2): syncing a file does not cover its entry). */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await effect('directory.fsync', () => handle.sync(), directory);
  } finally {
    await handle.close();
  }
}

/**
 * Writes all data of a file system to its disk, with one syncfs(2) for any number of files. Throws
 * a transient `host_unavailable` when the disk does not accept it.
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
        'the disk of the host cannot be written to, or is too slow; check the disk and the kernel log';
      throw hostUnavailable(detail, cause);
    }
  });
}

/** The code of a system error, such as EEXIST. */
export const codeOf = (error: unknown) =>
  error instanceof Error && 'code' in error ? String(error.code) : undefined;
