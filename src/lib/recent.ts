import { BoundedMap } from './bounded-map.ts';

/** Keys that were added within so many milliseconds; of more than `max` the oldest go. */
export function createRecent(milliseconds: number, max: number) {
  const addedAt = new BoundedMap<string, number>(max);
  return {
    add(key: string): void {
      addedAt.set(key, performance.now());
    },
    has: (key: string): boolean =>
      performance.now() - (addedAt.get(key) ?? Number.NEGATIVE_INFINITY) < milliseconds,
  };
}
