import { chmod, rename, writeFile } from 'node:fs/promises';

/** Replaces a file atomically: a reader sees the old text or the new one. */
export async function replaceFile(path: string, text: string, mode: number): Promise<void> {
  const draft = `${path}.new`;
  await writeFile(draft, text, { mode });
  await chmod(draft, mode); // Independent of the umask and of an old draft.
  await rename(draft, path);
}
