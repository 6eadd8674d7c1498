import type { Response } from 'express';
import { type Scope, seesJob } from '../../jobs/access/scope.ts';
import { Failure } from '../../jobs/errors.ts';
import { isFinal } from '../../jobs/job.ts';
import type { Answer } from '../../jobs/registry.ts';
import type { ApiQueue, JobRecord } from '../../queue/api-queue.ts';
import type { OrderHandlers } from '../dispatch.ts';
import { preferredWait } from '../request/preferences.ts';
import { clientGone } from '../request/request-context.ts';
import { sendJob, sendJson } from '../respond.ts';

type JobRoutes = Pick<OrderHandlers, 'job.read' | 'job.list' | 'job.cancel'>;

/** Handlers that read, list and cancel jobs. */
export function jobRoutes(queue: ApiQueue): JobRoutes {
  return {
    async 'job.read'(req, res, { all, scope, wants: { id } }) {
      const seconds = all.wait ?? preferredWait(req);
      if (seconds) res.locals.caller.occupy('userWaits');
      // Checks before the wait: its duration would reveal that the job exists and when it ends.
      const now = visible(await queue.job(id), scope);
      const waits = seconds && !isFinal(now.job.state);
      const { job } = waits ? visible(await waitForJob(queue, id, seconds, res), scope) : now;
      sendJson(res, 200, job);
    },

    async 'job.list'(_req, res, { all: { state, limit, after }, scope }) {
      const { jobs, next } = await queue.listJobs({ state, ...scope }, limit ?? 100, after, clientGone(res));
      sendJson(res, 200, { jobs, next: next ?? undefined } satisfies Answer<'job.list'>);
    },

    async 'job.cancel'(req, res, { scope, wants: { id }, seal }) {
      const record = visible(await queue.job(id), scope);
      const { host } = record.job;
      const waited = preferredWait(req);
      if (waited) res.locals.caller.occupy('userWaits');
      const sealed = seal({ use: 'cancel', host, job: record.job.id });
      const before = await queue.cancel(record, sealed);
      if (before === 'absent') throw jobNotFound();
      if (before === 'final')
        throw new Failure('job_finished', 'the job has finished; there is nothing to cancel');
      // The worker finds the cancellation in the record anyway; the query only speeds it up.
      if (before === 'running') queue.ask(host, 'job.cancel', sealed, { id }, 1_000).catch(() => undefined);
      const latest = await unlessLost(waited ? waitForJob(queue, id, waited, res) : queue.job(id));
      // The cancellation succeeds when the job has ended: none of its states is a failure here.
      const job = (latest ?? record).job;
      if (job.state === 'failed') sendJson(res, 200, job);
      else sendJob(req, res, job, waited);
    },
  };
}

/** Returns the job when it has ended, or as it is after `seconds` or when the client leaves. */
export function waitForJob(queue: ApiQueue, id: string, seconds: number, res: Response) {
  res.locals.caller.passTurn();
  return queue.wait(id, seconds * 1000, clientGone(res));
}

/**
 * Reads a job that a change has just made or cancelled. Null when the queue is lost meanwhile: the
 * change has taken effect, and an error would say that it has not.
 */
export function unlessLost(read: Promise<JobRecord | null>): Promise<JobRecord | null> {
  return read.catch((error: unknown) => {
    if (error instanceof Failure && error.code === 'queue_unavailable') return null;
    throw error;
  });
}

const jobNotFound = () => new Failure('job_not_found', 'there is no such job');

/** Returns a job. Throws `job_not_found` when it is absent or outside of the scope. */
export function visible(record: JobRecord | null, scope: Scope): JobRecord {
  if (!record || !seesJob(scope, record.job)) throw jobNotFound();
  return record;
}
