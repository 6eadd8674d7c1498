import { readFile, stat } from 'node:fs/promises';

/** A file that others could have changed, or a secret that others can read; says how to mend it. */
export class UntrustedFile extends Error {}

/** Refuses what belongs to others than us and root or can be changed by them, and secrets that they can read. */
export async function assertOwned(path: string, secret = false): Promise<void> {
  const { mode, uid } = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw new UntrustedFile(`${path} cannot be read (${error.code})`);
  });
  const us = process.getuid?.() ?? 0;
  if (uid !== 0 && uid !== us) throw new UntrustedFile(`${path} belongs to somebody else; chown it to root`);
  if (secret && (mode & 0o077) !== 0) throw new UntrustedFile(`${path} can be read by others; chmod 600 it`);
  if ((mode & 0o022) !== 0) throw new UntrustedFile(`${path} can be changed by others; chmod go-w it`);
}

/** A file as long as it can be trusted; `secret`: only if nobody else can read it. */
export async function readTrusted(path: string, secret = false): Promise<string> {
  await assertOwned(path, secret);
  return readFile(path, 'utf8');
}
