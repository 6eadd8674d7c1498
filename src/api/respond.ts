import type { Request, Response } from 'express';
import { type Problem, problemOf } from '../jobs/errors.ts';
import { isFinal, type Job } from '../jobs/job.ts';
import { problems } from './metrics.ts';

/** Sends JSON with a final newline, for terminals. */
export function sendJson(res: Response, status: number, value: unknown, type = 'application/json'): void {
  sendText(res, status, `${JSON.stringify(value)}\n`, type);
}

// Express's own send() checks for cases that never occur here, at a tenth of the cost of a request.
export function sendText(res: Response, status: number, text: string, type: string): void {
  res.statusCode = status;
  res.setHeader('Content-Type', `${type}; charset=utf-8`);
  res.setHeader('Content-Length', Buffer.byteLength(text));
  res.end(text);
}

/** Sends a problem document, or one readable line when the client asks for text. */
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

/**
 * Answers a request that became a job: 202 while the job is unfinished, then 200, or the job's
 * failure if the client waited for it. `waited`: the seconds of the wait preference that was
 * applied, null if none was. `replayed`: the request was sent before; this is the job that it
 * became then.
 */
export function sendJob(req: Request, res: Response, job: Job, waited: number | null, replayed = false) {
  res.locals.log.outcome = job.state;
  res.setHeader('Location', `${res.locals.caller.prefix}/job/${job.id}`);
  if (replayed) res.set('Idempotent-Replayed', 'true');
  if (waited !== null) res.set('Preference-Applied', `wait=${waited}`);
  if (waited !== null && job.state === 'failed') {
    sendProblem(req, res, job.error ?? problemOf('internal', 'the job failed', { job: job.id }));
    return;
  }
  const hasEnded = isFinal(job.state);
  if (!hasEnded) res.setHeader('Retry-After', '1');
  sendJson(res, hasEnded ? 200 : 202, job);
}
