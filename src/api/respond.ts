import type { Request, Response } from 'express';
import { type Problem, problemOf } from '../jobs/errors.ts';
import { isFinal, type Job } from '../jobs/job.ts';
import { problems } from './metrics.ts';
import { callerOf } from './request/request-context.ts';

/** JSON with a line end, as a terminal likes it. */
export function sendJson(res: Response, status: number, value: unknown, type = 'application/json'): void {
  sendText(res, status, `${JSON.stringify(value)}\n`, type);
}

// Express's own send() looks for much that is never so here, at a tenth of the cost of a request.
export function sendText(res: Response, status: number, text: string, type: string): void {
  res.statusCode = status;
  res.setHeader('Content-Type', `${type}; charset=utf-8`);
  res.setHeader('Content-Length', Buffer.byteLength(text));
  res.end(text);
}

/** A problem document, or one readable line when the client asks for text. */
export function sendProblem(req: Request, res: Response, problem: Problem): void {
  const { log } = res.locals;
  log.outcome = problem.code;
  problems.add({ code: problem.code });
  if (problem.status === 401 || problem.status === 403) {
    log.audit = true;
    log.reason = problem.detail;
  }
  if (problem.status === 429 || problem.status === 503) res.set('Retry-After', '1');
  if (req.accepts(['application/problem+json', 'application/json', 'text/plain']) === 'text/plain') {
    sendText(res, problem.status, `${problem.title} (${problem.code}): ${problem.detail}\n`, 'text/plain');
    return;
  }
  sendJson(res, problem.status, problem, 'application/problem+json');
}

export interface JobAnswer {
  /** The request was known: this is the job it became the first time. */
  replayed: boolean;
  /** Seconds the client preferred to wait, and did. */
  waited: number | null;
}

/**
 * The answer to a request that became a job: 202 while it is unfinished, then 200, or the failure
 * it waited for.
 */
export function sendJob(req: Request, res: Response, job: Job, { replayed, waited }: JobAnswer): void {
  res.locals.log.outcome = job.state;
  res.setHeader('Location', `${callerOf(res).prefix}/job/${job.id}`);
  if (replayed) res.set('Idempotent-Replayed', 'true');
  if (waited !== null) res.set('Preference-Applied', `wait=${waited}`);
  if (waited !== null && job.state === 'failed') {
    sendProblem(req, res, job.error ?? problemOf('internal', 'the job failed', { job: job.id }));
    return;
  }
  if (isFinal(job.state) && (waited !== null || replayed)) {
    sendJson(res, 200, job);
    return;
  }
  res.setHeader('Retry-After', '1');
  sendJson(res, 202, job);
}
