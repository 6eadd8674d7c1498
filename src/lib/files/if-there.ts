import { readFile } from 'node:fs/promises';

/** The result of an operation on a file; null when the file does not exist. */
export async function nullIfAbsent<T>(operation: Promise<T>): Promise<T | null> {
  return operation.catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
}

/** The text of a file; null when it does not exist. */
export const readIfThere = (path: string): Promise<string | null> => nullIfAbsent(readFile(path, 'utf8'));
