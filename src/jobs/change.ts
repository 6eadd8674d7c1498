import type { RequestId } from './fields/request-id.ts';
import type { Command } from './registry.ts';

/** The source of a request, to find its log lines and spans. An api reports it, unverified. */
export interface Origin {
  /** X-Request-Id, or the trace of the client's `traceparent`. */
  trace?: string | undefined;
  /** The span of the request as a `traceparent`, where the api traces; see lib/tracing.ts. */
  span?: string | undefined;
  /** The address that the request came from. */
  peer?: string | undefined;
}

/** A request that becomes a job. */
export interface Change {
  id: RequestId;
  user: string;
  command: Command;
  /** Maximum seconds that it may wait for its host. */
  expires: number;
  /** Hash of user, method, path, r, t, h and body; distinguishes requests with the same id. */
  fingerprint: string;
}
