import { BoundedMap } from './bounded-map.ts';

/** Remembers keys for some milliseconds. Drops the oldest when there are more than `max`. */
export function createRecent(milliseconds: number, max: number) {
  const addedAt = new BoundedMap<string, number>(max);
  return {
    add: (key: string): void => void addedAt.set(key, performance.now()),
    has: (key: string): boolean =>
      performance.now() - (addedAt.get(key) ?? Number.NEGATIVE_INFINITY) < milliseconds,
  };
}
