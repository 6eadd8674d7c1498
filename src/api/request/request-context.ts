import type { Response } from 'express';
import type { Origin } from '../../jobs/change.ts';
import type { OpenSpan } from '../../lib/tracing.ts';
import type { Claims } from '../../token/claims.ts';
import type { Account, Place } from './user-limits.ts';

/** The outcome of an answer that was broken off by us. */
export const brokenOff = 'broken off';

/** What the request log shows besides method and status; never a token or a value. */
export interface LogFields extends Origin {
  id?: string;
  type?: string;
  resource?: string;
  outcome?: string;
  /** The token was refused, or what was asked with it: the line is one of the audit log. */
  audit?: true;
  reason?: string;
  /** The token by its hash. */
  token?: string;
  user?: string;
}

/** The sender of a request with a valid token. */
export interface Caller extends Account {
  /** Of the answer's Location: `/token/<token>`, or empty when the token came in a header. */
  prefix: string;
  claims: Claims;
  /** The token itself; never logged. */
  token: string;
  /** Whether the token is still valid: it may have expired, or its issuer may have been revoked. */
  isValid(): Promise<boolean>;
  /** The tenant that the request counts for; see tenantOf. */
  tenant: string;
}

declare global {
  namespace Express {
    /** What belongs to a request, on its response. */
    interface Locals {
      /** Since the request arrived; see requestLog. */
      log: LogFields;
      /** Where it is traced; see lib/tracing.ts. */
      span?: OpenSpan;
      /** Since its token was verified. */
      caller?: Caller;
      /** What it occupies; see user-limits.ts. */
      place?: Place;
    }
  }
}

/** The sender of a request that has passed `requireToken`. */
export function callerOf({ locals: { caller } }: Response): Caller {
  if (!caller) throw new Error('this request has no token');
  return caller;
}

/**
 * A signal that aborts when the client goes away, or has gone already. It is made for requests that
 * wait only: every request ends with a closed response, and an abort there would cost each some
 * microseconds.
 */
export function clientGone(res: Response): AbortSignal {
  if (res.closed) return AbortSignal.abort();
  const abort = new AbortController();
  res.once('close', () => abort.abort());
  return abort.signal;
}
