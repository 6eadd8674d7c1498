import type { Redis } from 'ioredis';
import { type Scope, seesJob } from '../../jobs/access/scope.ts';
import { parseRequestId } from '../../jobs/fields/request-id.ts';
import { isFinal, type Job, type JobState } from '../../jobs/job.ts';
import { rangeOf } from '../directory/entries.ts';
import { keys, readBinding } from '../redis/keys.ts';
import { unlessMalformed } from '../redis/malformed.ts';
import { isOrder, type List, type Listed, newest, type Place, readBatch } from './merged-lists.ts';
import type { RecordReader } from './read-records.ts';

export interface JobFilter extends Scope {
  state?: JobState | undefined;
}

/** Maximum number of ids and records to read at a time. */
const maxAtOnce = 250;

/**
 * Limit of records read for one page: a filter that few jobs pass must not cost the whole history.
 */
const maxScanned = 1_000;

/**
 * Maximum number of lists read side by side for a name prefix. A prefix with more names uses other
 * lists.
 */
const maxNamed = 1_000;

export interface JobPage {
  jobs: Job[];
  /** The `after` of the next page; null on the last page. */
  next: string | null;
}

/**
 * Lists the jobs of some hosts that pass a filter, newest first; fewer than the limit when the page
 * reaches the limit of records. `after` is the `next` of a page, or the id of a job that passes the
 * filter apart from its state; any other id yields nothing. Removes ids of expired records on the
 * way.
 */
export async function listJobs(
  redis: Redis,
  hosts: string[],
  read: RecordReader['shown'],
  filter: JobFilter,
  { limit, after, signal }: { limit: number; after?: string | undefined; signal?: AbortSignal | undefined },
): Promise<JobPage> {
  let place = after === undefined ? newest : await placeOf(redis, read, filter, after);
  const jobs: Job[] = [];
  if (place === null) return { jobs, next: null };
  let shown: Place = place;
  const lists = await shortestLists(redis, hosts, filter);
  let wanted = limit + 1; // One more, to know whether there is a next page.
  for (let looked = 0; looked < maxScanned; wanted *= 2) {
    signal?.throwIfAborted();
    const { listed, end, skipped } = await readBatch(redis, lists, place, Math.min(wanted, maxAtOnce));
    const records = await read(listed);
    const gone = listed.filter((_, i) => !records[i]);
    await sweep(redis, gone);
    for (const [i, { order, id }] of listed.entries()) {
      const job = records[i]?.job;
      if (!job || !passes(filter, job)) continue;
      if (jobs.length === limit) return { jobs, next: textOf(shown) };
      jobs.push(job);
      shown = { order, id };
    }
    if (end === null) return { jobs, next: null };
    place = end;
    looked += Math.max(listed.length + skipped, 1); // Ends the loop, whatever Redis holds.
  }
  return { jobs, next: textOf(place) };
}

/** Contains no id except that of a job already shown. */
const textOf = ({ order, id }: Place) => `${order}-${id}`;

async function placeOf(
  redis: Redis,
  read: RecordReader['shown'],
  scope: Scope,
  after: string,
): Promise<Place | null> {
  const [, order, shown = ''] = /^(\d{1,16})-([0-9a-f]{32})?$/.exec(after) ?? [];
  if (order !== undefined) return { order: Number(order), id: shown };
  const id = parseRequestId(after);
  const bound = await redis.get(keys.id(id));
  if (bound === null) return null;
  const { host } = readBinding(bound);
  const [[record], score] = await Promise.all([
    read([{ host, id }]),
    unlessMalformed(redis.zscore(keys.jobs(host), id), null),
  ]);
  if (!record || score === null || !seesJob(scope, record.job)) return null;
  const place = { order: Number(score), id };
  return isOrder(place.order) ? place : null;
}

/** Chooses lists that hold every job passing the filter: those with the fewest ids. */
async function shortestLists(redis: Redis, hosts: string[], { u, r, state }: JobFilter): Promise<List[]> {
  const of = (...names: ((host: string) => string)[]) =>
    hosts.flatMap((host) => names.map((name) => ({ host, key: name(host) })));
  const choices = [
    u === undefined ? null : of((host) => keys.jobsBy(host, 'user', u)),
    r === undefined || r === '*' ? null : await listsOn(redis, hosts, r),
    state === undefined ? null : of(...listsIn(state)),
  ].filter((lists) => lists !== null);
  const [first = of(keys.jobs), ...others] = choices;
  if (others.length === 0) return first;
  const sizes = await Promise.all(choices.map((lists) => sizeOf(redis, lists)));
  return choices[sizes.indexOf(Math.min(...sizes))] ?? first;
}

/** The lists of jobs on resources whose names match a pattern; null when there are too many. */
async function listsOn(redis: Redis, hosts: string[], pattern: string): Promise<List[] | null> {
  const on = (host: string, name: string) => ({ host, key: keys.jobsBy(host, 'resource', name) });
  if (!pattern.endsWith('*')) return hosts.map((host) => on(host, pattern));
  const range = [...rangeOf(pattern), 'LIMIT', 0, maxNamed + 1] as const;
  const lists = await Promise.all(
    hosts.map(async (host) => {
      const names = await unlessMalformed(redis.zrangebylex(keys.resources(host), ...range), []);
      return names.map((name) => on(host, name));
    }),
  );
  return lists.flat().length > maxNamed ? null : lists.flat();
}

/**
 * The lists for a state. A job that waited too long has failed, but stays in `open` until a read
 * ends it.
 */
function listsIn(state: JobState): ((host: string) => string)[] {
  const ended = (host: string) => keys.jobsBy(host, 'state', state);
  if (!isFinal(state)) return [keys.open];
  return state === 'failed' ? [ended, keys.open] : [ended];
}

async function sizeOf(redis: Redis, lists: List[]): Promise<number> {
  const sizes = await Promise.all(lists.map(({ key }) => unlessMalformed(redis.zcard(key), 0)));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Removes ids from lists, except from `open`: the worker looks at those itself. */
async function sweep(redis: Redis, gone: Listed[]): Promise<void> {
  const ids = new Map<string, string[]>();
  for (const { host, key, id } of gone)
    if (key !== keys.open(host)) ids.set(key, [...(ids.get(key) ?? []), id]);
  await Promise.all([...ids].map(([key, some]) => unlessMalformed(redis.zrem(key, ...some), 0)));
}

function passes({ state, ...scope }: JobFilter, job: Job): boolean {
  return (state === undefined || job.state === state) && seesJob(scope, job);
}
