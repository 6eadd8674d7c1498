import type { Request, Response } from 'express';
import type { Order } from '../../requests/order.ts';
import type { Claims } from '../../token/claims.ts';
import type { Purpose } from '../../token/seal.ts';
import type { Place } from './user-limits.ts';

/** The outcome of an answer that we could not bring to its end. */
export const brokenOff = 'broken off';

/** What we know of a request while it is answered; filled from front to back. */
export interface RequestContext {
  /** Of the answer's Location: `/token/<token>`, or empty when the token came in a header. */
  prefix: string;
  claims: Claims;
  /** The token itself; never logged. */
  token: string;
  /** Whether the token is valid still: it may have come to its end, or its issuer's, since. */
  isValid(): Promise<boolean>;
  /** Whom the request is counted for; see tenantOf. */
  tenant: string;
  /** Has the request occupy a place of its user's, instead of the one it has; see user-limits.ts. */
  occupy(place: Place): void;
  /** What the request log shows besides method and status; never a token or a value. */
  log: {
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
  };
  /** The request itself with its token, sealed for the worker of a host and for one purpose. */
  seal(purpose: Purpose): string;
  /**
   * A signal that aborts when the client goes away, or has gone already. It is made for requests that wait only: every
   * request ends with a closed response, and an abort there would cost each some microseconds.
   */
  gone(): AbortSignal;
}

// On the request itself: entries of a WeakMap outlive the collections of young objects, and with them all of a request.
const key = Symbol('context');
type WithContext = Request & { [key]?: RequestContext };

/** Gives a request its context; called once, first of all. */
export function openContext(req: Request, res: Response): RequestContext {
  const unknown = () => {
    throw new Error('this request has not been authorized');
  };
  const context: RequestContext = {
    ...{ prefix: '', claims: {}, token: '', tenant: '', log: {} },
    ...{ isValid: async () => false, occupy: unknown, seal: unknown, gone: () => signalOf(res) },
  };
  (req as WithContext)[key] = context;
  return context;
}

function signalOf(res: Response): AbortSignal {
  if (res.closed) return AbortSignal.abort();
  const abort = new AbortController();
  res.once('close', () => abort.abort());
  return abort.signal;
}

export function contextOf(req: Request): RequestContext {
  const context = (req as WithContext)[key];
  if (!context) throw new Error('this request has no context');
  return context;
}

/** Has the request log say what a request is about. */
export function logOrder(req: Request, { all, wants }: Order): void {
  const { log } = contextOf(req);
  if (all.u !== undefined) log.user = all.u;
  if ('id' in wants) log.id = wants.id;
  if ('resource' in wants) log.resource = wants.resource;
  if ('command' in wants) log.resource = wants.command.params.resource;
}
