import type { Response } from 'express';
import type { Origin } from '../../jobs/change.ts';
import type { OpenSpan } from '../../lib/tracing.ts';
import type { Claims } from '../../token/claims.ts';
import type { Account, SlotKind } from './user-limits.ts';

/** The outcome of an answer that we broke off. */
export const brokenOff = 'broken off';

/** Fields of the request log besides method and status; never a token or a value. */
export interface LogFields extends Origin {
  id?: string;
  type?: string;
  resource?: string;
  outcome?: string;
  /** The token or the request was refused: the line belongs to the audit log. */
  audit?: true;
  reason?: string;
  /** The label of the token, made from its hash. */
  token?: string;
  user?: string;
}

/** The sender of a request with a valid token. */
export interface Caller extends Account {
  /** The prefix of Location: `/token/<token>`, or empty when the token came in a header. */
  prefix: string;
  claims: Claims;
  /** The token itself; never logged. */
  token: string;
  /** Whether the token is still valid: it may have expired, or its issuer may have been revoked. */
  isValid(): Promise<boolean>;
  /** The tenant whose limits the request counts against; see tenantOf. */
  tenant: string;
}

declare global {
  namespace Express {
    /** Data of a request, kept on its response. */
    interface Locals {
      /** Set when the request arrives; see requestLog. */
      log: LogFields;
      /** Set if the request is traced; see lib/tracing.ts. */
      span?: OpenSpan;
      /** Set by requireToken; missing on open paths and where the token was refused. */
      caller: Caller;
      /** The kind of slot that the request holds; see user-limits.ts. */
      slot?: SlotKind;
    }
  }
}

/**
 * Returns a signal that aborts when the client leaves, or is aborted if it has left. Only requests
 * that wait use it: every request ends with a closed response, and an abort for each would cost
 * some microseconds.
 */
export function clientGone(res: Response): AbortSignal {
  if (res.closed) return AbortSignal.abort();
  const abort = new AbortController();
  res.once('close', () => abort.abort());
  return abort.signal;
}
