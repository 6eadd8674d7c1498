import { chmod, readFile, rename, writeFile } from 'node:fs/promises';

/** Replaces a file atomically: a reader sees the old text or the new one. */
export async function replaceFile(path: string, text: string, mode: number): Promise<void> {
  const draft = `${path}.new`;
  await writeFile(draft, text, { mode });
  await chmod(draft, mode); // Independent of the umask and of an old draft.
  await rename(draft, path);
}

/** Returns the text of a file, or null if it does not exist. */
export async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
