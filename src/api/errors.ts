import type { ErrorRequestHandler, RequestHandler } from 'express';
import type { Logger } from 'pino';
import { Failure, type Problem, problemOf } from '../jobs/errors.ts';
import { asQueueFailure } from '../queue/open-front.ts';
import { contextOf } from './request-context.ts';
import { sendProblem } from './respond.ts';

/** What errors of Express's own parsers mean here, by their `type` or status. */
function asBadRequest(error: { type?: unknown; status?: unknown }): Failure | null {
  if (error.type === 'entity.too.large') return new Failure('body_too_large', 'the body is above 100 KiB');
  if (error.type === 'encoding.unsupported') {
    return new Failure('invalid_request', 'the body must not be compressed');
  }
  if (typeof error.status === 'number' && error.status >= 400 && error.status < 500) {
    return new Failure('invalid_request', 'the request cannot be read');
  }
  return null;
}

/** Every error that comes out of a route ends here, as a problem document without stack or path. */
export function problemHandler(log: Logger): ErrorRequestHandler {
  return (error, req, res, next) => {
    if (res.headersSent) {
      next(error);
      return;
    }
    const failure = error instanceof Failure ? error : (asQueueFailure(error) ?? asBadRequest(error));
    if (!failure) log.error({ err: error }, 'a request failed for a reason of our own');
    const { id } = contextOf(req).log;
    sendProblem(req, res, problem(failure, failure?.code === 'request_id_reused' ? id : undefined));
  };
}

function problem(failure: Failure | null, job: string | undefined): Problem {
  const where = job === undefined ? {} : { job };
  return failure
    ? problemOf(failure.code, failure.message, where)
    : problemOf('internal', 'this is our fault; the log of the api says more');
}

const methods = new Map([
  ['/container', ['GET', 'PUT', 'DELETE']],
  ['/container/log', ['GET', 'PUT']],
  ['/repository', ['PUT']],
  ['/environment', ['PUT', 'PATCH']],
  ['/content', ['GET']],
  ['/container/started', ['PUT']],
  ['/container/stopped', ['PUT']],
  ['/container/restarted', ['PUT']],
  ['/containers', ['GET']],
  ['/hosts', ['GET']],
  ['/jobs', ['GET']],
]);

const inFamily: [RegExp, string[]][] = [
  [/^\/job\/[^/]+$/, ['GET', 'DELETE']],
  [/^\/job\/[^/]+\/log$/, ['GET']],
  [/^\/content\//, ['GET']],
];

/** What no route has answered. */
export const nothingHere: RequestHandler = (req, res) => {
  const allowed = methods.get(req.path) ?? inFamily.find(([pattern]) => pattern.test(req.path))?.[1];
  if (!allowed) throw new Failure('not_found', 'there is nothing at this path; docs/api.md has all of them');
  res.set('Allow', allowed.join(', '));
  throw new Failure('method_not_allowed', `this path takes ${allowed.join(', ')}`);
};
