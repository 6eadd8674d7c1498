/** Keys that were added within so many milliseconds. Older ones are forgotten, so that it does not grow for ever. */
export interface Recent {
  add(key: string): void;
  has(key: string): boolean;
  /** How many keys it holds, old ones that are about to be forgotten among them. */
  size(): number;
}

export function createRecent(milliseconds: number): Recent {
  /** In the order in which they were added. */
  const added = new Map<string, number>();
  const isOld = (at: number) => performance.now() - at >= milliseconds;
  return {
    add(key) {
      added.delete(key);
      for (const [old, at] of added) {
        if (!isOld(at)) break;
        added.delete(old);
      }
      added.set(key, performance.now());
    },
    has: (key) => !isOld(added.get(key) ?? Number.NEGATIVE_INFINITY),
    size: () => added.size,
  };
}
