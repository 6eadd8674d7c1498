import type { RequestId } from './fields/request-id.ts';
import type { Command } from './registry.ts';

/**
 * Where a request came from, by which log lines and spans are found. An api says so, and nobody
 * verifies it.
 */
export interface Origin {
  /** X-Request-Id, or the trace of the client's `traceparent`. */
  trace?: string | undefined;
  /** The span of the request as a `traceparent`, where the api traces; see lib/tracing.ts. */
  span?: string | undefined;
  /** The address that the request came from. */
  peer?: string | undefined;
}

/** A request that is to become a job. */
export interface Change {
  id: RequestId;
  user: string;
  command: Command;
  /** Seconds for which it may wait for its host. */
  expires: number;
  /** Of user, method, path, r, t, h and body: the same id with another one is another request. */
  fingerprint: string;
}
