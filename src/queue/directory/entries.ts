import type { Redis } from 'ioredis';
import { z } from 'zod';
import { allowsResource } from '../../jobs/access/patterns.ts';
import type { Scope } from '../../jobs/access/scope.ts';
import type { Kind, LineKind } from '../../jobs/fields/resource.ts';
import { parseJson } from '../../lib/parse-json.ts';
import { readHash } from '../records/job-record.ts';
import { commandTimeout } from '../redis/connection.ts';
import { keys } from '../redis/keys.ts';
import { unlessMalformed } from '../redis/malformed.ts';
import { runScript } from '../scripts/run-script.ts';
import { readHeld } from './hosts.ts';

/**
 * The directory: which host has a name. Only scripts change its entries
 * (scripts/lua/include/directory.lua). The host's own keys show whether it really holds the
 * resource of an entry.
 */

/** Milliseconds after which no request that relied on an entry is still in flight. */
export const entrySettled = commandTimeout + 700;

const entry = z.object({ host: z.string() });

/** An entry of the directory; `text` is what lies there. */
export type Entry = z.infer<typeof entry> & { text: string };

/** The keys with which a script changes the directory. */
export const entryKeys = (kind: LineKind) => [keys.holders(kind), keys.names(kind), keys.spread];

export function parseEntry(text: string | null): Entry | null {
  const parsed = entry.safeParse(parseJson(text ?? ''));
  return text !== null && parsed.success ? { ...parsed.data, text } : null;
}

export async function readEntry(redis: Redis, kind: LineKind, resource: string): Promise<Entry | null> {
  return parseEntry(await redis.hget(keys.holders(kind), resource));
}

/** Whether a host holds a resource or has been asked to. */
export async function isHeld(redis: Redis, host: string, kind: LineKind, resource: string): Promise<boolean> {
  const [held, waiting] = await Promise.all([
    unlessMalformed(redis.sismember(keys.held(host, kind), resource), 0),
    unlessMalformed(redis.zcard(keys.line(host, kind, resource)), 0),
  ]);
  return held === 1 || waiting > 0;
}

/** The host that holds a resource or has been asked to, or null. */
export async function findHolder(redis: Redis, kind: LineKind, resource: string): Promise<string | null> {
  const known = await readEntry(redis, kind, resource);
  return known && (await isHeld(redis, known.host, kind, resource)) ? known.host : null;
}

/**
 * Deletes an entry if it is unchanged; false when a request has asked for the name since, or less
 * than `age` ms ago.
 */
export async function deleteEntry(
  redis: Redis,
  kind: LineKind,
  resource: string,
  { text }: Pick<Entry, 'text'>,
  age = entrySettled,
): Promise<boolean> {
  return runScript(redis, 'deleteEntry', entryKeys(kind), [kind, resource, text, age]);
}

/**
 * Removes a name from the directory if its host neither holds it nor has been asked to. Returns
 * `free` then, otherwise `held`, or `busy` when a request in flight may rely on the entry.
 */
export async function releaseEntry(
  redis: Redis,
  kind: LineKind,
  resource: string,
  known: Entry,
): Promise<'free' | 'held' | 'busy'> {
  if (await isHeld(redis, known.host, kind, resource)) return 'held';
  return (await deleteEntry(redis, kind, resource, known)) ? 'free' : 'busy';
}

/** Enters a name that a host holds, unless the name has an entry. */
export const insertEntryIfAbsent = (redis: Redis, kind: LineKind, resource: string, host: string) =>
  runScript(redis, 'insertEntry', entryKeys(kind), [kind, resource, host]);

/**
 * The range of a pattern (jobs/access/patterns.ts) in a sorted set of names, after one of them: its
 * least and its greatest member. Names are ASCII.
 */
export function rangeOf(pattern: string, after = ''): [from: string, to: string] {
  const isBeginning = pattern.endsWith('*');
  const first = isBeginning ? pattern.slice(0, -1) : pattern;
  return [after < first ? `[${first}` : `(${after}`, isBeginning ? `(${first}\x7f` : `[${first}`];
}

/** Names that a scope allows, in order. */
export interface NamePage {
  /** Each with the host that holds it, or has been asked to. */
  names: [name: string, host: string][];
  /** The `after` of the next page; null on the last page. */
  next: string | null;
}

/** The first names of a kind in a scope, after one of them; with a host, only those it holds. */
export async function listNames(
  redis: Redis,
  kind: Kind,
  { r = '*', h }: Scope,
  { limit, after }: { limit: number; after?: string | undefined },
): Promise<NamePage> {
  const most = limit + 1; // One more, to know whether there is a next page.
  const found =
    h === undefined
      ? await redis.zrangebylex(keys.names(kind), ...rangeOf(r, after), 'LIMIT', 0, most)
      : (await readHeld(redis, h, kind))
          .filter((name) => allowsResource(r, name) && (after === undefined || name > after))
          .sort()
          .slice(0, most);
  const page = found.slice(0, limit);
  const texts = page.length > 0 ? await redis.hmget(keys.holders(kind), ...page) : [];
  return {
    names: page.flatMap((name, i): NamePage['names'] => {
      const host = parseEntry(texts[i] ?? null)?.host;
      return host === undefined || host !== (h ?? host) ? [] : [[name, host]];
    }),
    next: found.length > limit ? (page.at(-1) ?? null) : null,
  };
}

/** Approximate number of entries to read at a time. */
const scanned = 500;

/**
 * Reads all entries of a kind in batches. An entry may come twice, and one entered in the meantime
 * not at all (SCAN of Redis).
 */
export async function* scanEntries(redis: Redis, kind: LineKind): AsyncGenerator<Map<string, Entry>> {
  let cursor = '0';
  do {
    const [next, flat] = await redis.hscan(keys.holders(kind), cursor, 'COUNT', scanned);
    const found = new Map<string, Entry>();
    for (const [resource, text] of Object.entries(readHash(flat))) {
      const known = parseEntry(text);
      if (known) found.set(resource, known);
    }
    yield found;
    cursor = next;
  } while (cursor !== '0');
}
