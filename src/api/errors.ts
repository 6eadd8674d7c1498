import type { ErrorRequestHandler } from 'express';
import type { Logger } from 'pino';
import { Failure, type Problem, problemOf } from '../jobs/errors.ts';
import { methodsOf } from '../requests/routes.ts';
import { sendProblem } from './respond.ts';

/** Maps errors of Express's parsers to failures, by their `type` or status; others to null. */
function asBadRequest(error: { type?: unknown; status?: unknown }): Failure | null {
  if (error.type === 'entity.too.large') return new Failure('body_too_large', 'the body exceeds 100 KiB');
  if (error.type === 'encoding.unsupported') {
    return new Failure('invalid_request', 'the body must not be compressed');
  }
  if (typeof error.status === 'number' && error.status >= 400 && error.status < 500) {
    return new Failure('invalid_request', 'the request cannot be read');
  }
  return null;
}

/** Answers every error of a route with a problem document, without stack or path. */
export function problemHandler(log: Logger): ErrorRequestHandler {
  return (error, req, res, next) => {
    if (res.closed && error instanceof Error && error.name === 'AbortError') return; // The client has left.
    if (res.headersSent) {
      next(error);
      return;
    }
    const failure = error instanceof Failure ? error : asBadRequest(error);
    if (!failure) log.error({ ...res.locals.log, err: error }, 'a request failed with an internal error');
    if (failure?.code === 'method_not_allowed') res.set('Allow', methodsOf(req.path).join(', '));
    const { id } = res.locals.log;
    const job = failure?.code === 'request_id_reused' ? id : undefined;
    sendProblem(req, res, problem(failure, { ...(job && { job }), ...limitOf(failure) }));
  };
}

const limitOf = (failure: Failure | null) => (failure?.limit ? { limit: failure.limit } : {});

function problem(failure: Failure | null, where: Pick<Problem, 'job' | 'limit'>): Problem {
  return failure
    ? problemOf(failure.code, failure.message, where)
    : problemOf('internal', 'an internal error occurred; the log of the api has the details');
}
