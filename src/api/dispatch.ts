import type { Request, RequestHandler, Response } from 'express';
import { Failure } from '../jobs/errors.ts';
import { isJobType } from '../jobs/registry.ts';
import { authorize } from '../requests/authorize.ts';
import { textOf } from '../requests/body.ts';
import { sealRequest } from '../requests/envelope.ts';
import type { OrderName, OrderOf } from '../requests/order.ts';
import type { methods, OriginalRequest } from '../requests/original.ts';
import { matchRoute } from '../requests/routes.ts';
import type { Purpose, Sealer } from '../token/seal.ts';
import type { Lifetimes } from '../token/verifier.ts';
import { readBody } from './request/body.ts';
import { callerOf, logOf, logOrder } from './request/request-context.ts';

/** An order that the token of its request allows. */
export type AuthorizedOrder<N extends OrderName> = OrderOf<N> & {
  /** The request itself with its token, sealed for the worker of a host and for one purpose. */
  seal(purpose: Purpose): string;
};

/** Answers one kind of request. */
export type OrderHandler<N extends OrderName> = (
  req: Request,
  res: Response,
  order: AuthorizedOrder<N>,
) => Promise<void>;
export type OrderHandlers = { [N in OrderName]: OrderHandler<N> };

/** Finds out what a request wants, whether its token allows that, and has it answered. */
export function dispatch(handlers: OrderHandlers, sealer: Sealer, lifetimes: Lifetimes): RequestHandler {
  return async (req, res) => {
    const log = logOf(req);
    const method = (req.method === 'HEAD' ? 'GET' : req.method) as (typeof methods)[number];
    // First of all: the probes' paths need no token, and take GET only.
    const match = matchRoute({ method, path: req.path });
    const [{ name }] = match.candidates;
    log.type = name;
    const { claims, token } = callerOf(req);
    if (isJobType(name)) await bodyRead(req, res);
    const request = originalOf(req, method);
    const order = authorize(claims, request, match, lifetimes);
    logOrder(log, order);
    const seal = (purpose: Purpose) => sealRequest(sealer, { token, request }, purpose);
    await (handlers[order.name] as OrderHandler<OrderName>)(req, res, { ...order, seal });
  };
}

function originalOf(req: Request, method: OriginalRequest['method']): OriginalRequest {
  const mark = req.url.indexOf('?');
  const request: OriginalRequest = {
    method,
    path: req.path,
    query: mark < 0 ? '' : req.url.slice(mark + 1),
    body: textOf(req.body),
  };
  if (request.path.length > 4_096 || request.query.length > 8_192)
    throw new Failure('invalid_request', 'the address is too long');
  const { 'idempotency-key': key, 'if-none-match': ifNoneMatch } = req.headers;
  if (key !== undefined) request.key = String(key).slice(0, 256);
  if (ifNoneMatch !== undefined) request.ifNoneMatch = ifNoneMatch.slice(0, 8_192);
  return request;
}

function bodyRead(req: Request, res: Response): Promise<void> {
  return new Promise((resolve, reject) => {
    readBody(req, res, (error?: unknown) => (error === undefined ? resolve() : reject(error)));
  });
}
