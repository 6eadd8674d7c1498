import type { ErrorRequestHandler } from 'express';
import type { Logger } from 'pino';
import { Failure, problemOf } from '../jobs/errors.ts';
import { methodsOf } from '../requests/routes.ts';
import { isOpenPath } from './openapi/open-paths.ts';
import { sendProblem } from './respond.ts';

/** Maps errors of Express's parsers, by `type` or status, to failures; others to `internal`. */
function asFailure(error: { type?: unknown; status?: unknown }): Failure {
  if (error.type === 'entity.too.large') return new Failure('body_too_large', 'the body exceeds 100 KiB');
  if (error.type === 'encoding.unsupported') {
    return new Failure('invalid_request', 'the body must not be compressed');
  }
  if (typeof error.status === 'number' && error.status >= 400 && error.status < 500) {
    return new Failure('invalid_request', 'the request cannot be read');
  }
  return new Failure('internal', 'an internal error occurred; the log of the api has the details');
}

const allowedAt = (path: string) => (isOpenPath(path) ? 'GET' : methodsOf(path).join(', '));

/** Answers every error of a route with a problem document, without stack or path. */
export function problemHandler(log: Logger): ErrorRequestHandler {
  return (error, req, res, next) => {
    if (res.closed && error instanceof Error && error.name === 'AbortError') return; // The client has left.
    if (res.headersSent) {
      next(error);
      return;
    }
    const failure = error instanceof Failure ? error : asFailure(error);
    const { code, message, limit } = failure;
    if (failure !== error && code === 'internal')
      log.error({ ...res.locals.log, err: error }, 'a request failed with an internal error');
    if (code === 'method_not_allowed') res.set('Allow', allowedAt(req.path));
    const job = code === 'request_id_reused' ? res.locals.log.id : undefined;
    sendProblem(req, res, problemOf(code, message, { ...(job && { job }), ...(limit && { limit }) }));
  };
}
