import type { Redis } from 'ioredis';
import { requestId } from '../../jobs/fields/request-id.ts';
import { unlessMalformed } from '../redis/malformed.ts';

/** A list of a host's jobs by the order of their acceptance; see scripts/lua/include/lists.lua. */
export interface List {
  host: string;
  key: string;
}

/**
 * A place in all lists together. Orders descend; jobs of several hosts may share an order, and then
 * ids descend.
 */
export interface Place {
  order: number;
  id: string;
}

/** An id in a list. */
export type Listed = Place & List;

/** A worker may give its ids any order; accept.lua gives microseconds since the epoch. */
export const isOrder = (order: number) => Number.isSafeInteger(order) && order >= 0;

export const newest: Place = { order: Number.POSITIVE_INFINITY, id: '' };

/**
 * Newer first. Jobs accepted in the same microsecond sort by id; a place without an id comes last.
 */
const isBefore = (a: Place, b: Place) => a.order > b.order || (a.order === b.order && a.id > b.id);

interface Batch {
  listed: Listed[];
  /** The batch is complete down to this place; null when there are no more ids. */
  end: Place | null;
  /** How many members were read that accept.lua does not write. */
  skipped: number;
}

/**
 * Reads about `wanted` next ids of some lists as if they were one, newest first. Of many lists it
 * reads only a part of that from each.
 */
export async function readBatch(redis: Redis, lists: List[], after: Place, wanted: number): Promise<Batch> {
  const each = Math.min(wanted, Math.max(4, Math.ceil((4 * wanted) / lists.length)));
  const pages = await Promise.all(lists.map((list) => readList(redis, list, after, each)));
  // The list that breaks off first may have more ids below that place.
  const order = pages.reduce((most, { end }) => Math.max(most, end), Number.NEGATIVE_INFINITY);
  // One id may be in several lists of a host; in those of another host it hides nothing.
  const listed = new Map<string, Listed>();
  for (const one of pages.flatMap((page) => page.listed))
    if (one.order >= order) listed.set(`${one.host} ${one.id}`, one);
  const all = [...listed.values()].sort((a, b) => (isBefore(a, b) ? -1 : 1));
  const end = order === Number.NEGATIVE_INFINITY ? null : { order, id: '' };
  const skipped = pages.reduce((sum, page) => sum + page.skipped, 0);
  return { ...firstOf({ listed: all, end }, wanted), skipped };
}

/**
 * Cuts a batch to about `most` ids, since one of many lists may have many more. Ids of the same
 * order stay together.
 */
function firstOf({ listed, end }: Omit<Batch, 'skipped'>, most: number): Omit<Batch, 'skipped'> {
  let count = Math.min(most, listed.length);
  while (count > 0 && listed[count]?.order === listed[count - 1]?.order) count++;
  const last = listed[count - 1];
  if (!last || count === listed.length) return { listed, end };
  return { listed: listed.slice(0, count), end: { order: last.order, id: '' } };
}

/**
 * The next ids of a list, and the order of the last one when there may be more. Orders are unique
 * within a host. Skips what accept.lua does not write: a page could not end there, because
 * `placeOf` refuses such a place.
 */
async function readList(
  redis: Redis,
  list: List,
  after: Place,
  count: number,
): Promise<{ listed: Listed[]; end: number; skipped: number }> {
  const order = Math.min(after.order, Number.MAX_SAFE_INTEGER);
  const from = `${after.id === '' ? '(' : ''}${order}`;
  const range = [from, 0, 'WITHSCORES', 'LIMIT', 0, count + 1] as const;
  const flat = await unlessMalformed(redis.zrevrangebyscore(list.key, ...range), []);
  const read: Listed[] = [];
  for (let i = 0; i + 1 < flat.length; i += 2)
    read.push({ ...list, id: String(flat[i]), order: Number(flat[i + 1]) });
  const valid = read.filter((one) => isOrder(one.order) && requestId.safeParse(one.id).success);
  return {
    listed: valid.filter((one) => isBefore(after, one)),
    skipped: read.length - valid.length,
    end: read.length > count ? Math.floor(read.at(-1)?.order ?? 0) : Number.NEGATIVE_INFINITY,
  };
}
