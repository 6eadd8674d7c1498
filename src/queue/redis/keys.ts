import type { LineKind } from '../../jobs/fields/resource.ts';

/** No host can have this name. */
const fleet = '{.fleet}';

/** In a pattern of keys: whatever stands there. */
type Any = '*';

/**
 * The names of everything geard keeps in Redis. What belongs to one host carries its name in
 * braces: a Redis Cluster keeps it in one slot, and the host's worker may touch nothing else. What
 * belongs to the fleet lies in a slot of its own, but for the ledger, which spreads. See acl.ts for
 * who may write what.
 */
export const keys = {
  /**
   * String: request id → host of the job it became, and until when that may not be so yet. The
   * ledger: one id, one effect.
   */
  id: (id: string) => `geard:id:${id}`,
  /**
   * Hash: name of a gear, a repository or an environment → entry of the host that holds it, or has
   * been asked to.
   */
  holders: (kind: LineKind | Any) => `geard:${fleet}:holders:${kind}`,
  /** Sorted set: the names in `holders`, for going through them in their order. */
  names: (kind: LineKind | Any) => `geard:${fleet}:names:${kind}`,
  /** Hash: what the entries come to for each host; see scripts/lua/include/directory.lua. */
  spread: `geard:${fleet}:spread`,
  /** Set: names of the hosts that have ever announced themselves. */
  hosts: `geard:${fleet}:hosts`,
  /**
   * String: made by the first api that saw this Redis; another one means that everything was lost.
   */
  epoch: `geard:${fleet}:epoch`,
  /** Hash: one job as it was accepted; written by the api. */
  job: (host: string, id: string) => `geard:{${host}}:job:${id}`,
  /** Hash: what became of the job; written by the worker. */
  run: (host: string, id: string) => `geard:{${host}}:run:${id}`,
  /** Stream: the lines of a job's progress. */
  progress: (host: string, id: string) => `geard:{${host}}:progress:${id}`,
  /** String: what a worker announced last, as JSON. */
  host: (host: string) => `geard:{${host}}:host`,
  /** String: the worker that has the host's name, as JSON; expires when it falls silent. */
  lease: (host: string) => `geard:{${host}}:lease`,
  /**
   * Sorted set: ids of all jobs of a host by order of acceptance; see
   * scripts/lua/include/lists.lua.
   */
  jobs: (host: string) => `geard:{${host}}:accepted`,
  /**
   * Sorted set: those of them that have something in common. An unfinished job is in the list of no
   * state; see `open`.
   */
  jobsBy: (host: string, what: 'resource' | 'user' | 'state' | Any, value: string) =>
    `geard:{${host}}:accepted:${what}:${value}`,
  /**
   * Sorted set: the resources in whose names there are jobs of a host, for going through them in
   * their order.
   */
  resources: (host: string) => `geard:{${host}}:resources`,
  /** String: the order of the last job that was accepted. */
  sequence: (host: string) => `geard:{${host}}:sequence`,
  /** Set: names of what is on the host's disk. */
  held: (host: string, kind: LineKind) => `geard:{${host}}:held:${kind}`,
  /** Sorted set: the unfinished jobs of a host by order of acceptance. */
  open: (host: string) => `geard:{${host}}:open`,
  /**
   * Sorted set: the unfinished jobs on one resource, or on the host itself, by order of acceptance;
   * the first one may run.
   */
  line: (host: string, kind: LineKind | Any, resource: string) => `geard:{${host}}:line:${kind}:${resource}`,
  /**
   * Hash: id of an unfinished job → bytes of its record and whom they are counted for; see
   * scripts/lua/include/charges.lua.
   */
  charges: (host: string) => `geard:{${host}}:charges`,
  /** Hash: what the charges come to, `jobs:<tenant>`, `bytes:<tenant>` and `bytes` of all. */
  charged: (host: string) => `geard:{${host}}:charged`,
  /**
   * Stream: the frames of one stream from or to a worker; it exists as long as somebody reads it.
   */
  frames: (host: string, id: string) => `geard:{${host}}:frames:${id}`,
  /** List: queries to a worker. */
  asks: (host: string) => `geard:{${host}}:asks`,
  /** Where BullMQ keeps a host's queue. */
  queuePrefix: (host: string) => `geard:{${host}}`,
} as const;

/** The keys of what is charged for the unfinished jobs of a host. */
export const chargeKeys = (host: string) => [keys.charges(host), keys.charged(host)];

/**
 * Where a job is found in lists, as scripts take it (scripts/lua/include/lists.lua); `state` when
 * it has ended.
 */
export const listKeys = (
  host: string,
  { user, resource }: { user: string; resource: string },
  state?: string,
): string[] => [
  keys.resources(host),
  keys.jobsBy(host, 'resource', resource),
  keys.jobsBy(host, 'user', user),
  keys.jobs(host),
  ...(state === undefined ? [] : [keys.jobsBy(host, 'state', state)]),
];

/** The name of the BullMQ queue below each host's prefix. */
export const queueName = 'jobs';

/** Pub/sub channels. They only wake up: whoever misses a message finds out by looking. */
export const channels = {
  /** Ids of a host's jobs that have made progress or have finished; for all hosts with a star. */
  news: (host: string) => `geard:{${host}}:news`,
  /**
   * A worker says that it lives: `held` when the names on its disk are to be read, `left` when it
   * goes on purpose, and `free <kind> <name>` when a name is no longer there; for all hosts with a
   * star.
   */
  here: (host: string) => `geard:{${host}}:here`,
  /**
   * A worker asks for what one of its jobs is to copy, see rpc/copy-requests.ts; for all hosts with
   * a star.
   */
  fetch: (host: string) => `geard:{${host}}:fetch`,
  /** An api asks every worker to say that it lives. */
  who: 'geard:who',
  /** Answers of a worker to one api. */
  replies: (host: string, api: string) => `geard:{${host}}:replies:${api}`,
} as const;

/** The host in the name of a channel of its own. */
export const hostOfChannel = (channel: string) => /^geard:\{([^}]+)\}:/.exec(channel)?.[1] ?? '';

/** A BullMQ job id may be no integer, which 32 decimal digits would be. */
export const deliveryId = (id: string) => `r-${id}`;
