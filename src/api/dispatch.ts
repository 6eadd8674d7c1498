import type { Request, RequestHandler, Response } from 'express';
import type { Method } from '../jobs/define.ts';
import { Failure } from '../jobs/errors.ts';
import { isJobType } from '../jobs/registry.ts';
import { beginRequest } from '../lib/tracing.ts';
import { authorize } from '../requests/authorize.ts';
import { textOf } from '../requests/body.ts';
import { sealRequest } from '../requests/envelope.ts';
import type { Order, OrderName, OrderOf } from '../requests/order.ts';
import type { OriginalRequest } from '../requests/original.ts';
import { matchRoute } from '../requests/routes.ts';
import type { Purpose, Sealer } from '../token/seal.ts';
import type { Lifetimes } from '../token/verifier.ts';
import { readBody } from './request/read-body.ts';
import type { LogFields } from './request/request-context.ts';

/** An order that the token of its request allows. */
export type AuthorizedOrder<N extends OrderName> = OrderOf<N> & {
  /** Seals the request and its token for one purpose, which names the host. */
  seal(purpose: Purpose): string;
};

/** Answers one kind of request. */
export type OrderHandler<N extends OrderName> = (
  req: Request,
  res: Response,
  order: AuthorizedOrder<N>,
) => Promise<void>;
export type OrderHandlers = { [N in OrderName]: OrderHandler<N> };

/** Matches, parses and authorizes each request once, and hands the order to its handler. */
export function dispatch(handlers: OrderHandlers, sealer: Sealer, lifetimes: Lifetimes): RequestHandler {
  return async (req, res) => {
    const { log } = res.locals;
    const method = (req.method === 'HEAD' ? 'GET' : req.method) as Method;
    const match = matchRoute({ method, path: req.path });
    const [{ name, template }] = match.candidates;
    log.type = name;
    const answer = async () => {
      const { claims, token, answering } = res.locals.caller;
      if (isJobType(name)) await readBody(req, res);
      const request = originalOf(req, method);
      const order = authorize(claims, request, match, lifetimes);
      logOrder(log, order);
      const { trace, peer } = log;
      const whole = { token, request, origin: { trace, peer } };
      const seal = (purpose: Purpose) => sealRequest(sealer, whole, purpose);
      const handler = handlers[order.name] as OrderHandler<OrderName>;
      await answering(() => handler(req, res, { ...order, seal }));
    };
    await traced(req, res, template, answer);
  };
}

/** Runs the handler within the request's span; request-log.ts ends the span. */
function traced(req: Request, res: Response, route: string, answer: () => Promise<void>): Promise<void> {
  const span = beginRequest(req.method, route, String(req.headers['traceparent'] ?? ''));
  if (span === null) return answer();
  res.locals.span = span;
  res.locals.log.span = span.traceparent;
  return span.run(answer);
}

/**
 * Extracts the parts of a request that determine its effect. Throws `invalid_request` when the URL
 * is too long or the body is not UTF-8 text.
 */
function originalOf(req: Request, method: OriginalRequest['method']): OriginalRequest {
  const mark = req.url.indexOf('?');
  const query = mark < 0 ? '' : req.url.slice(mark + 1);
  const body = textOf(req.body);
  if (req.path.length > 4_096 || query.length > 8_192)
    throw new Failure('invalid_request', 'the URL is too long');
  const { 'idempotency-key': key, 'if-none-match': ifNoneMatch } = req.headers;
  return {
    method,
    path: req.path,
    query,
    body,
    ...(key !== undefined && { key: String(key).slice(0, 256) }),
    ...(ifNoneMatch !== undefined && { ifNoneMatch: ifNoneMatch.slice(0, 8_192) }),
  };
}

/** Adds the user, the id and the resource of a request to its log line. */
function logOrder(log: LogFields, { all, wants }: Order): void {
  if (all.u !== undefined) log.user = all.u;
  if ('id' in wants) log.id = wants.id;
  if ('resource' in wants) log.resource = wants.resource;
  if ('command' in wants) log.resource = wants.command.params.resource;
}
