import type { Request, Response } from 'express';
import type { Claims } from '../token/claims.ts';

/** What we know of a request while it is answered; filled from front to back. */
export interface RequestContext {
  /** Of the answer's Location: `/token/<token>`, or empty when the token came in a header. */
  prefix: string;
  claims: Claims;
  /** What the request log shows besides method and status; never a token or a value. */
  log: { id?: string; type?: string; resource?: string; outcome?: string; path?: string };
  /** Aborts when the client goes away before it is answered. */
  gone: AbortSignal;
}

const contexts = new WeakMap<Request, RequestContext>();

/** Gives a request its context; called once, first of all. */
export function openContext(req: Request, res: Response): RequestContext {
  const abort = new AbortController();
  res.once('close', () => {
    if (!res.writableFinished) abort.abort();
  });
  const context: RequestContext = { prefix: '', claims: {}, log: {}, gone: abort.signal };
  contexts.set(req, context);
  return context;
}

export function contextOf(req: Request): RequestContext {
  const context = contexts.get(req);
  if (!context) throw new Error('this request has no context');
  return context;
}
