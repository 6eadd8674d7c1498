import type { IRouter, Request } from 'express';
import { Failure } from '../../jobs/errors.ts';
import { parseRequestId } from '../../jobs/request-id.ts';
import type { Front, JobRecord } from '../../queue/open-front.ts';
import { type Parameters, parametersOf } from '../parameters.ts';
import { preferredWait } from '../preferences.ts';
import { contextOf, named } from '../request-context.ts';
import { sendJob, sendJson } from '../respond.ts';

/** Reading, listing and cancelling jobs. */
export function jobRoutes(routes: IRouter, front: Front): void {
  routes.get('/job/:id', named('job.read'), async (req, res) => {
    const all = parametersOf(req);
    const wait = all.wait ?? preferredWait(req);
    const { job } = wait
      ? visible(await front.wait(idOf(req), wait * 1000, contextOf(req).gone()), all)
      : visible(await front.job(idOf(req)), all);
    sendJson(res, 200, job);
  });

  routes.get('/jobs', named('job.list'), async (req, res) => {
    const { state, r, h, u, limit, after } = parametersOf(req);
    const from = after === undefined ? undefined : parseRequestId(after);
    const jobs = await front.listJobs({ state, resource: r, host: h, user: u }, limit ?? 100, from);
    sendJson(res, 200, { jobs });
  });

  routes.delete('/job/:id', named('job.cancel'), async (req, res) => {
    const all = parametersOf(req);
    const id = idOf(req);
    const record = visible(await front.job(id), all);
    const before = await front.cancel(record);
    if (before === 'absent') throw notFound();
    if (before === 'final')
      throw new Failure('job_finished', 'the job has finished; there is nothing to cancel');
    // The worker also sees the mark by itself; asking it only makes it sooner.
    if (before === 'running') front.ask(record.job.host, 'job.cancel', { id }, 1_000).catch(() => undefined);
    const waited = preferredWait(req);
    const latest = waited ? await front.wait(id, waited * 1000, contextOf(req).gone()) : await front.job(id);
    // Cancelling is done when the job is over, whatever it came to: that is an answer, not a failure.
    const job = (latest ?? record).job;
    if (job.state === 'failed') sendJson(res, 200, job);
    else sendJob(req, res, job, { replayed: false, waited: waited ?? (before === 'queued' ? 0 : null) });
  });
}

export function idOf(req: Request): string {
  const id = parseRequestId(String(req.params['id']));
  contextOf(req).log.id = id;
  return id;
}

const notFound = () => new Failure('job_not_found', 'there is no such job');

/** A user sees only its own jobs; who names no user, and is bound to none by the token, sees all. */
export function visible(record: JobRecord | null, { u }: Parameters): JobRecord {
  if (!record || (u !== undefined && record.job.user !== u)) throw notFound();
  return record;
}
