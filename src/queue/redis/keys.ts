import type { LineKind } from '../../jobs/fields/resource.ts';

/** No host can have this name. */
const fleet = '{.fleet}';

/** The wildcard in a pattern of keys. */
type Any = '*';

/**
 * The names of everything geard keeps in Redis. Keys of one host carry its name in braces: a Redis
 * Cluster keeps them in one slot, and the host's worker may touch no others. Keys of the fleet lie
 * in a slot of their own, except the ledger, which spreads. See acl.ts for the permissions.
 */
export const keys = {
  /**
   * String: request id → host of its job, and until when that job may still be in flight. The
   * ledger: one id, one effect.
   */
  id: (id: string) => `geard:id:${id}`,
  /**
   * Hash: name of a gear, repository or environment → entry of the host that holds it or has been
   * asked to.
   */
  holders: (kind: LineKind | Any) => `geard:${fleet}:holders:${kind}`,
  /** Sorted set: the names in `holders`, to iterate them in order. */
  names: (kind: LineKind | Any) => `geard:${fleet}:names:${kind}`,
  /** Hash: totals of the entries for each host; see scripts/lua/include/directory.lua. */
  spread: `geard:${fleet}:spread`,
  /** Set: names of the hosts that have ever announced themselves. */
  hosts: `geard:${fleet}:hosts`,
  /**
   * String: created by the first api that saw this Redis; another value means that all was lost.
   */
  epoch: `geard:${fleet}:epoch`,
  /** Hash: one job as accepted; written by the api. */
  job: (host: string, id: string) => `geard:{${host}}:job:${id}`,
  /** Hash: the state and outcome of the job; written by the worker. */
  run: (host: string, id: string) => `geard:{${host}}:run:${id}`,
  /** Stream: the lines of a job's progress. */
  progress: (host: string, id: string) => `geard:{${host}}:progress:${id}`,
  /** String: a worker's last announcement, as JSON. */
  host: (host: string) => `geard:{${host}}:host`,
  /** String: the worker that holds the host's name, as JSON; expires without heartbeats. */
  lease: (host: string) => `geard:{${host}}:lease`,
  /**
   * Sorted set: ids of all jobs of a host by order of acceptance; see
   * scripts/lua/include/lists.lua.
   */
  jobs: (host: string) => `geard:{${host}}:accepted`,
  /**
   * Sorted set: the ids in `jobs` with a common resource, user or state. Unfinished jobs are in no
   * list of a state; see `open`.
   */
  jobsBy: (host: string, what: 'resource' | 'user' | 'state' | Any, value: string) =>
    `geard:{${host}}:accepted:${what}:${value}`,
  /** Sorted set: the resources that jobs of a host name, to iterate them in order. */
  resources: (host: string) => `geard:{${host}}:resources`,
  /** String: the order of the last accepted job. */
  sequence: (host: string) => `geard:{${host}}:sequence`,
  /** Set: names of the resources on the host's disk. */
  held: (host: string, kind: LineKind) => `geard:{${host}}:held:${kind}`,
  /** Sorted set: the unfinished jobs of a host by order of acceptance. */
  open: (host: string) => `geard:{${host}}:open`,
  /**
   * Sorted set: the unfinished jobs on one resource, or on the host itself, by order of acceptance;
   * the first one may run.
   */
  line: (host: string, kind: LineKind | Any, resource: string) => `geard:{${host}}:line:${kind}:${resource}`,
  /**
   * Hash: id of an unfinished job → bytes of its record and the tenant charged for them; see
   * scripts/lua/include/charges.lua.
   */
  charges: (host: string) => `geard:{${host}}:charges`,
  /** Hash: totals of the charges: `jobs:<tenant>`, `bytes:<tenant>`, and `bytes` of all. */
  charged: (host: string) => `geard:{${host}}:charged`,
  /** Stream: the frames of one stream from or to a worker; exists as long as it has a reader. */
  frames: (host: string, id: string) => `geard:{${host}}:frames:${id}`,
  /** List: queries to a worker. */
  asks: (host: string) => `geard:{${host}}:asks`,
  /** The BullMQ prefix of a host's queue. */
  queuePrefix: (host: string) => `geard:{${host}}`,
} as const;

/** Reads a value of the ledger: `<host> <ms until which the job may be in flight>`. */
export function readBinding(bound: string): { host: string; until: number } {
  const [host = '', until] = bound.split(' ');
  return { host, until: Number(until) };
}

/** The keys of the charges for a host's unfinished jobs. */
export const chargeKeys = (host: string) => [keys.charges(host), keys.charged(host)];

/**
 * The keys of the lists that hold a job, as scripts take them (scripts/lua/include/lists.lua);
 * `state` once it has ended.
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

/**
 * Pub/sub channels. `replies` carry answers, and `fetch` requests, which are repeated when nothing
 * arrives. The others only wake subscribers up: a look finds the news of a lost message.
 */
export const channels = {
  /** Ids of a host's jobs that made progress or finished; for all hosts with a star. */
  news: (host: string) => `geard:{${host}}:news`,
  /**
   * A worker's heartbeats, empty or one of the messages in directory/hosts.ts, and `free <kind>
   * <name>` when a name is no longer there; for all hosts with a star.
   */
  here: (host: string) => `geard:{${host}}:here`,
  /**
   * A worker requests the data for a job's copy, see rpc/copy-requests.ts; for all hosts with a
   * star.
   */
  fetch: (host: string) => `geard:{${host}}:fetch`,
  /** An api asks every worker to announce its resources, and names the epoch; see epoch.ts. */
  who: 'geard:who',
  /** Answers of a worker to one api. */
  replies: (host: string, api: string) => `geard:{${host}}:replies:${api}`,
} as const;

/** The host in the name of a host's channel. */
export const hostOfChannel = (channel: string) => /^geard:\{([^}]+)\}:/.exec(channel)?.[1] ?? '';

/** A BullMQ job id must not be an integer, which 32 decimal digits would be. */
export const deliveryId = (id: string) => `r-${id}`;
