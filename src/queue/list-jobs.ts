import type { Redis } from 'ioredis';
import { isFinal, type Job, type JobState } from '../jobs/job.ts';
import { parseRequestId } from '../jobs/request-id.ts';
import type { Scope } from '../requests/order.ts';
import { seesJob } from '../requests/scope.ts';
import { keys } from './keys.ts';
import { hostInLedger } from './ledger.ts';
import { rangeOf } from './names.ts';
import type { JobRecord } from './record.ts';

export interface JobFilter extends Scope {
  state?: JobState | undefined;
}

/** A list of a host's jobs by the order of their acceptance; see scripts/lists.ts. */
interface List {
  host: string;
  key: string;
}

/** A place in all lists together: orders fall, and of one order, which jobs of several hosts may have, ids. */
interface Place {
  order: number;
  id: string;
}

/** An id in a list. */
type Listed = Place & List;

/** Ids read, and records looked at, at a time. */
const mostAtOnce = 250;

/** Records that are looked at for one page: a filter that fits few jobs must not cost the whole history. */
const mostLooked = 1_000;

/** Lists that are read side by side for a name's beginning; for one that takes in more names, other lists are read. */
const mostNamed = 1_000;

export interface JobPage {
  jobs: Job[];
  /** The `after` of the next page; null: there is no more. */
  next: string | null;
}

/**
 * Jobs of some hosts, newest first, that pass a filter; fewer than the limit where so many records were looked at. `after` is the
 * `next` of a page, or the id of a job that passes the filter but for its state; behind any other id there is nothing. Ids whose
 * record has expired are swept on the way. `read` has the record of a job.
 */
export async function listJobs(
  redis: Redis,
  hosts: string[],
  read: (host: string, id: string) => Promise<JobRecord | null>,
  filter: JobFilter,
  { limit, after, signal }: { limit: number; after?: string | undefined; signal?: AbortSignal | undefined },
): Promise<JobPage> {
  let place = after === undefined ? newest : await placeOf(redis, read, filter, after);
  const jobs: Job[] = [];
  if (place === null) return { jobs, next: null };
  let shown: Place = place;
  const lists = await fewest(redis, hosts, filter);
  for (let looked = 0; looked < mostLooked; ) {
    signal?.throwIfAborted();
    const wanted = Math.min(mostAtOnce, limit - jobs.length + 1); // Whether there is more.
    const { listed, end } = firstOf(await readBatch(redis, lists, place, wanted), wanted);
    const records = await Promise.all(listed.map(({ host, id }) => read(host, id)));
    const gone = listed.filter((_, i) => !records[i]);
    await sweep(redis, gone);
    for (const [i, { order, id }] of listed.entries()) {
      const job = records[i]?.job;
      if (!job || !takes(filter, job)) continue;
      if (jobs.length === limit) return { jobs, next: textOf(shown) };
      jobs.push(job);
      shown = { order, id };
    }
    if (end === null) return { jobs, next: null };
    place = end;
    looked += listed.length;
  }
  return { jobs, next: textOf(place) };
}

const newest: Place = { order: Number.POSITIVE_INFINITY, id: '' };

/** It tells no id but that of a job which was shown. */
const textOf = ({ order, id }: Place) => `${order}-${id}`;

async function placeOf(
  redis: Redis,
  read: (host: string, id: string) => Promise<JobRecord | null>,
  scope: Scope,
  after: string,
): Promise<Place | null> {
  const [, order, shown = ''] = /^(\d{1,16})-([0-9a-f]{32})?$/.exec(after) ?? [];
  if (order !== undefined) return { order: Number(order), id: shown };
  const id = parseRequestId(after);
  const bound = await redis.get(keys.id(id));
  if (bound === null) return null;
  const host = hostInLedger(bound);
  const [record, score] = await Promise.all([read(host, id), redis.zscore(keys.jobs(host), id)]);
  return record && score !== null && seesJob(scope, record.job) ? { order: Number(score), id } : null;
}

/** Lists that have all jobs which pass a filter, and of such lists those with the fewest ids. */
async function fewest(redis: Redis, hosts: string[], { u, r, state }: JobFilter): Promise<List[]> {
  const of = (...names: ((host: string) => string)[]) =>
    hosts.flatMap((host) => names.map((name) => ({ host, key: name(host) })));
  const choices = [
    u === undefined ? null : of((host) => keys.jobsBy(host, 'user', u)),
    r === undefined || r === '*' ? null : await listsOn(redis, hosts, r),
    state === undefined ? null : of(...listsIn(state)),
  ].filter((lists) => lists !== null);
  if (choices.length === 0) return of(keys.jobs);
  if (choices.length === 1) return choices[0] as List[];
  const sizes = await Promise.all(choices.map((lists) => sizeOf(redis, lists)));
  return choices[sizes.indexOf(Math.min(...sizes))] as List[];
}

/** The lists of jobs on resources whose names a pattern takes in; null: too many. */
async function listsOn(redis: Redis, hosts: string[], pattern: string): Promise<List[] | null> {
  const on = (host: string, name: string) => ({ host, key: keys.jobsBy(host, 'resource', name) });
  if (!pattern.endsWith('*')) return hosts.map((host) => on(host, pattern));
  const range = [...rangeOf(pattern), 'LIMIT', 0, mostNamed + 1] as const;
  const lists = await Promise.all(
    hosts.map(async (host) =>
      (await redis.zrangebylex(keys.resources(host), ...range)).map((name) => on(host, name)),
    ),
  );
  return lists.flat().length > mostNamed ? null : lists.flat();
}

/** A job that has waited for too long has failed, and is among the open ones until somebody reads it. */
function listsIn(state: JobState): ((host: string) => string)[] {
  const ended = (host: string) => keys.jobsBy(host, 'state', state);
  if (!isFinal(state)) return [keys.open];
  return state === 'failed' ? [ended, keys.open] : [ended];
}

async function sizeOf(redis: Redis, lists: List[]): Promise<number> {
  const sizes = await Promise.all(lists.map(({ key }) => redis.zcard(key)));
  return sizes.reduce((sum, size) => sum + size, 0);
}

interface Batch {
  listed: Listed[];
  /** The place down to which these are all; null: there are no more. */
  end: Place | null;
}

/** The next ids of some lists as of one, about so many: of many lists a part of that is read of each. */
async function readBatch(redis: Redis, lists: List[], after: Place, wanted: number): Promise<Batch> {
  const each = Math.min(wanted, Math.max(4, Math.ceil((4 * wanted) / lists.length)));
  const pages = await Promise.all(lists.map((list) => readList(redis, list, after, each)));
  // Below the place where the first of them breaks off it may have more than we know.
  const order = pages.reduce((most, { end }) => Math.max(most, end), Number.NEGATIVE_INFINITY);
  const listed = new Map<string, Listed>(); // One id may be in several lists.
  for (const one of pages.flatMap((page) => page.listed)) if (one.order >= order) listed.set(one.id, one);
  return {
    listed: [...listed.values()].sort((a, b) => (isBefore(a, b) ? -1 : 1)),
    end: order === Number.NEGATIVE_INFINITY ? null : { order, id: '' },
  };
}

/** About so many of a batch, for one of many lists may have many more: those of one order stay together. */
function firstOf({ listed, end }: Batch, most: number): Batch {
  let count = Math.min(most, listed.length);
  while (count > 0 && listed[count]?.order === listed[count - 1]?.order) count++;
  const last = listed[count - 1];
  if (!last || count === listed.length) return { listed, end };
  return { listed: listed.slice(0, count), end: { order: last.order, id: '' } };
}

/** The next ids of a list, and the order of the last one where there may be more. Within a host no two have the same order. */
async function readList(
  redis: Redis,
  list: List,
  after: Place,
  count: number,
): Promise<{ listed: Listed[]; end: number }> {
  const from = after.order === Number.POSITIVE_INFINITY ? '+inf' : after.order;
  const flat = await redis.zrevrangebyscore(list.key, from, '-inf', 'WITHSCORES', 'LIMIT', 0, count + 1);
  const read: Listed[] = [];
  for (let i = 0; i + 1 < flat.length; i += 2)
    read.push({ ...list, id: String(flat[i]), order: Number(flat[i + 1]) });
  return {
    listed: read.filter((one) => isBefore(after, one)),
    end: read.length > count ? (read.at(-1)?.order ?? 0) : Number.NEGATIVE_INFINITY,
  };
}

/** Newer first; what was accepted in the same microsecond, by its id, and a place without one comes last. */
const isBefore = (a: Place, b: Place) => a.order > b.order || (a.order === b.order && a.id > b.id);

/** Takes ids out of lists; what is open is its worker's. */
async function sweep(redis: Redis, gone: Listed[]): Promise<void> {
  const ids = new Map<string, string[]>();
  for (const { host, key, id } of gone)
    if (key !== keys.open(host)) ids.set(key, [...(ids.get(key) ?? []), id]);
  await Promise.all([...ids].map(([key, some]) => redis.zrem(key, ...some)));
}

function takes({ state, ...scope }: JobFilter, job: Job): boolean {
  return (state === undefined || job.state === state) && seesJob(scope, job);
}
