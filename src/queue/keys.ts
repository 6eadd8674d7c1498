import type { Kind } from '../jobs/resource.ts';

/**
 * The names of everything geard keeps in Redis. What belongs to one host carries its name in braces, so that a
 * Redis Cluster keeps it in one slot.
 */
export const keys = {
  /** Hash: one job and, by its id, the ledger that gives "one id, one effect". */
  job: (id: string) => `geard:job:${id}`,
  /** Stream: the lines of a job's progress. */
  progress: (id: string) => `geard:job:${id}:progress`,
  /** Sorted set: job ids by order of acceptance. */
  jobs: 'geard:jobs',
  /** Counter: the order of acceptance. */
  sequence: 'geard:sequence',
  /** Hash: name of a gear, a repository or an environment → host that holds it. */
  holders: (kind: Kind) => `geard:holders:${kind}`,
  /** Hash: host → what its worker announced last, as JSON. */
  hosts: 'geard:hosts',
  /** Sorted set: the unfinished jobs of a host by order of acceptance. */
  open: (host: string) => `geard:{${host}}:open`,
  /** Sorted set: the unfinished jobs on one resource by order of acceptance; the first one may run. */
  line: (host: string, kind: Kind, resource: string) => `geard:{${host}}:line:${kind}:${resource}`,
  /** Stream: the frames of one stream that a worker sends; it exists as long as somebody reads it. */
  frames: (host: string, id: string) => `geard:{${host}}:frames:${id}`,
  /** List: questions to a worker. */
  asks: (host: string) => `geard:{${host}}:asks`,
  /** Where BullMQ keeps a host's queue. */
  queuePrefix: (host: string) => `geard:{${host}}`,
} as const;

/** The name of the BullMQ queue below each host's prefix. */
export const queueName = 'jobs';

/** Pub/sub channels. They only wake up: whoever misses a message finds out by looking. */
export const channels = {
  /** Ids of jobs that have made progress or have finished. */
  news: 'geard:news',
  /** Answers of workers to one api. */
  replies: (api: string) => `geard:replies:${api}`,
} as const;

/** A BullMQ job id may be no integer, which 32 decimal digits would be. */
export const deliveryId = (id: string) => `r-${id}`;
