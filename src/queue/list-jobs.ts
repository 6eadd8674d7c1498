import type { Redis } from 'ioredis';
import type { Job, JobState } from '../jobs/job.ts';
import type { Scope } from '../requests/order.ts';
import { seesJob } from '../requests/scope.ts';
import { keys } from './keys.ts';
import { hostInLedger } from './ledger.ts';
import type { JobRecord } from './record.ts';

export interface JobFilter extends Scope {
  state?: JobState | undefined;
}

/** An id in the list of a host, by the order of its acceptance. */
interface Listed {
  host: string;
  id: string;
  score: number;
}

/** Ids read of a host, and records looked at, at a time. */
const atOnce = 50;

/** Records that are looked at for one page: a filter that fits few jobs must not cost the whole history. */
const maxLooked = 5_000;

export interface JobPage {
  jobs: Job[];
  /** The id after which the next page goes on; null: there is no more. */
  next: string | null;
}

/**
 * Jobs of some hosts, newest first, after a given one, that pass a filter; fewer than the limit where so many records were
 * looked at. Ids whose record has expired are swept on the way. `read` has the record of a job.
 */
export async function listJobs(
  redis: Redis,
  hosts: string[],
  read: (host: string, id: string) => Promise<JobRecord | null>,
  filter: JobFilter,
  { limit, after, signal }: { limit: number; after?: string | undefined; signal?: AbortSignal | undefined },
): Promise<JobPage> {
  const last = after === undefined ? null : await findListed(redis, after);
  const jobs: Job[] = [];
  if (after !== undefined && last === null) return { jobs, next: null };
  const merged = mergeLists(redis, hosts, last);
  let next = after ?? null;
  for (let looked = 0; looked < maxLooked; looked += atOnce) {
    signal?.throwIfAborted();
    const page = await take(merged, atOnce);
    const records = await Promise.all(page.map(({ host, id }) => read(host, id)));
    for (const [i, { host, id }] of page.entries()) {
      if (jobs.length === limit) return { jobs, next };
      const job = records[i]?.job;
      if (!job) await redis.zrem(keys.jobs(host), id);
      else next = id;
      if (job && takes(filter, job)) jobs.push(job);
    }
    if (page.length < atOnce) return { jobs, next: null };
  }
  return { jobs, next };
}

async function findListed(redis: Redis, id: string): Promise<Listed | null> {
  const bound = await redis.get(keys.id(id));
  if (bound === null) return null;
  const host = hostInLedger(bound);
  const score = await redis.zscore(keys.jobs(host), id);
  return score === null ? null : { host, id, score: Number(score) };
}

/** The lists of all hosts as one, newest first; each is read only as far as it is needed. */
async function* mergeLists(redis: Redis, hosts: string[], after: Listed | null): AsyncGenerator<Listed> {
  const lists = await Promise.all(
    hosts.map(async (host) => {
      const list = readList(redis, host, after);
      return { list, next: (await list.next()).value };
    }),
  );
  for (;;) {
    const first = lists.reduce<(typeof lists)[number] | null>(
      (best, one) => (one.next && (!best?.next || isBefore(one.next, best.next)) ? one : best),
      null,
    );
    if (!first?.next) return;
    yield first.next;
    first.next = (await first.list.next()).value;
  }
}

/** Newer first; what was accepted in the same microsecond, by its id. */
const isBefore = (a: Listed, b: Listed) => a.score > b.score || (a.score === b.score && a.id > b.id);

async function* readList(
  redis: Redis,
  host: string,
  after: Listed | null,
): AsyncGenerator<Listed, undefined> {
  let highest = after === null ? '+inf' : String(after.score);
  for (;;) {
    const flat = await redis.zrevrangebyscore(
      ...([keys.jobs(host), highest, '-inf', 'WITHSCORES', 'LIMIT', 0, atOnce] as const),
    );
    const page: Listed[] = [];
    for (let i = 0; i + 1 < flat.length; i += 2) {
      page.push({ host, id: String(flat[i]), score: Number(flat[i + 1]) });
    }
    for (const one of page) if (after === null || isBefore(after, one)) yield one;
    if (page.length < atOnce) return;
    // Within a host no two have the same place.
    highest = `(${page.at(-1)?.score}`;
  }
}

async function take<T>(source: AsyncGenerator<T>, count: number): Promise<T[]> {
  const taken: T[] = [];
  while (taken.length < count) {
    const { value, done } = await source.next();
    if (done) break;
    taken.push(value);
  }
  return taken;
}

function takes({ state, ...scope }: JobFilter, job: Job): boolean {
  return (state === undefined || job.state === state) && seesJob(scope, job);
}
