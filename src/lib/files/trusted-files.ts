import { readFile, stat } from 'node:fs/promises';

/**
 * Throws if a user other than root and our own owns or can change the file, or if others can read a
 * secret. The message says how to fix it.
 */
export async function assertOwned(path: string, secret = false): Promise<void> {
  const { mode, uid } = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw new Error(`${path} cannot be read (${error.code})`, { cause: error });
  });
  const us = process.getuid?.() ?? 0;
  if (uid !== 0 && uid !== us) throw new Error(`${path} belongs to another user; chown it to root`);
  if (secret && (mode & 0o077) !== 0) throw new Error(`${path} can be read by others; chmod 600 it`);
  if ((mode & 0o022) !== 0) throw new Error(`${path} can be changed by others; chmod go-w it`);
}

/** Reads a file that only root and we can change. `secret`: others cannot read it, either. */
export async function readTrusted(path: string, secret = false): Promise<string> {
  await assertOwned(path, secret);
  return readFile(path, 'utf8');
}

/** Returns the first line of a file that others can neither change nor read. */
export async function readSecret(path: string): Promise<string> {
  const [line = ''] = (await readTrusted(path, true)).split(/\r?\n/, 1);
  return line;
}
