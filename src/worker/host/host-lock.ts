import { type FileHandle, open } from 'node:fs/promises';
import { exec } from '../../lib/exec.ts';
import { makeDirectories } from './files.ts';

/** Timeout for flock, in milliseconds. */
const deadline = 5_000;
/** Exit status of flock when another process has the lock. */
const taken = 9;

/**
 * Makes this process the only worker of a base directory, by a lock (flock(2)) on a file that only
 * root can open. Creates the directory if it does not exist. The kernel releases the lock when the
 * process ends, however it ends. Returns a function that releases it; rejects with a sentence when
 * another worker has it.
 */
export async function lockHost(base: string, path: string): Promise<() => Promise<void>> {
  await makeDirectories([base]);
  const file = await open(path, 'a+', 0o600);
  try {
    await lock(file, base);
    // For another worker that finds it taken. With a full disk there is nothing to read, and the
    // lock holds all the same.
    await file.truncate().catch(() => undefined);
    await file.write(`${process.pid}\n`).catch(() => undefined);
  } catch (error) {
    await file.close();
    throw error;
  }
  return () => file.close();
}

/**
 * Node.js cannot lock. A lock belongs to the open file, which flock inherits and which stays open
 * here.
 */
async function lock(file: FileHandle, base: string): Promise<void> {
  const args = ['--exclusive', '--nonblock', `--conflict-exit-code=${taken}`, '3'];
  const { status, stderr } = await exec('flock', args, { deadline, descriptor: file.fd });
  if (status === 0) return;
  if (status !== taken) throw new Error(`flock of util-linux has failed: ${stderr.trim()}`);
  const pid = /^\d+/.exec(await file.readFile('utf8'))?.[0];
  const who = pid === undefined ? '' : ` (process ${pid})`;
  throw new Error(`another worker runs on this host with --base ${base}${who}; stop it first`);
}
