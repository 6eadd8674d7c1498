import { existsSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { listenToFailpoints } from '../../src/lib/effect.ts';

/** The effects that were carried out while the work was done, in their order. */
export async function effectsOf(work: () => Promise<unknown>): Promise<string[]> {
  const seen: string[] = [];
  listenToFailpoints((point) => {
    if (point.endsWith(':after')) seen.push(point.slice(0, -':after'.length));
  });
  try {
    await work();
  } finally {
    listenToFailpoints(null);
  }
  return seen;
}

/** Arms a point by the file that a program reads (src/cli/roles/failpoints.ts). `line`: `<point> <hits> <signal>`. */
export async function armFailpoint(file: string, line: string): Promise<void> {
  await rm(`${file}.fired`, { force: true });
  // Never half: the program reads it all the time.
  await writeFile(`${file}.new`, line);
  await rename(`${file}.new`, file);
}

/** Whether what was armed last was passed. */
export const hasFired = (file: string) => existsSync(`${file}.fired`);
