import { listenToFailpoints } from '../../src/lib/failpoint.ts';

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
