import type { Redis } from 'ioredis';

/** A list of a host's jobs by the order of their acceptance; see scripts/lua/include/lists.lua. */
export interface List {
  host: string;
  key: string;
}

/**
 * A place in all lists together: orders fall, and of one order, which jobs of several hosts may
 * have, ids.
 */
export interface Place {
  order: number;
  id: string;
}

/** An id in a list. */
export type Listed = Place & List;

export const newest: Place = { order: Number.POSITIVE_INFINITY, id: '' };

/**
 * Newer first; what was accepted in the same microsecond, by its id, and a place without one comes
 * last.
 */
const isBefore = (a: Place, b: Place) => a.order > b.order || (a.order === b.order && a.id > b.id);

interface Batch {
  listed: Listed[];
  /** The place down to which these are all; null: there are no more. */
  end: Place | null;
}

/**
 * The next ids of some lists as of one, newest first, about so many: of many lists a part of that
 * is read of each.
 */
export async function readBatch(redis: Redis, lists: List[], after: Place, wanted: number): Promise<Batch> {
  const each = Math.min(wanted, Math.max(4, Math.ceil((4 * wanted) / lists.length)));
  const pages = await Promise.all(lists.map((list) => readList(redis, list, after, each)));
  // Below the place where the first of them breaks off it may have more than we know.
  const order = pages.reduce((most, { end }) => Math.max(most, end), Number.NEGATIVE_INFINITY);
  const listed = new Map<string, Listed>(); // One id may be in several lists.
  for (const one of pages.flatMap((page) => page.listed)) if (one.order >= order) listed.set(one.id, one);
  const all = [...listed.values()].sort((a, b) => (isBefore(a, b) ? -1 : 1));
  return firstOf({ listed: all, end: order === Number.NEGATIVE_INFINITY ? null : { order, id: '' } }, wanted);
}

/**
 * About so many of a batch, for one of many lists may have many more: those of one order stay
 * together.
 */
function firstOf({ listed, end }: Batch, most: number): Batch {
  let count = Math.min(most, listed.length);
  while (count > 0 && listed[count]?.order === listed[count - 1]?.order) count++;
  const last = listed[count - 1];
  if (!last || count === listed.length) return { listed, end };
  return { listed: listed.slice(0, count), end: { order: last.order, id: '' } };
}

/**
 * The next ids of a list, and the order of the last one where there may be more. Within a host no
 * two have the same order.
 */
async function readList(
  redis: Redis,
  list: List,
  after: Place,
  count: number,
): Promise<{ listed: Listed[]; end: number }> {
  const from = after === newest ? '+inf' : `${after.id === '' ? '(' : ''}${after.order}`;
  const flat = await redis.zrevrangebyscore(list.key, from, '-inf', 'WITHSCORES', 'LIMIT', 0, count + 1);
  const read: Listed[] = [];
  for (let i = 0; i + 1 < flat.length; i += 2)
    read.push({ ...list, id: String(flat[i]), order: Number(flat[i + 1]) });
  return {
    listed: read.filter((one) => isBefore(after, one)),
    end: read.length > count ? (read.at(-1)?.order ?? 0) : Number.NEGATIVE_INFINITY,
  };
}
