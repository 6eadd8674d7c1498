import type { Request, Response } from 'express';
import { Failure, gearExists, limitReached, repositoryExists } from '../../jobs/errors.ts';
import { isFinal } from '../../jobs/job.ts';
import type { JobLimits } from '../../jobs/limits.ts';
import { type Command, type JobType, jobs, jobTypes, specOf } from '../../jobs/registry.ts';
import type { Accepted, ApiQueue, JobSubmission } from '../../queue/api-queue.ts';
import type { AuthorizedOrder, OrderHandler } from '../dispatch.ts';
import { accepted, replayed } from '../metrics.ts';
import { livesElsewhere, noHost, notFound, placementFor } from '../placement.ts';
import { preferredWait } from '../request/preferences.ts';
import { sendJob } from '../respond.ts';
import { unlessLost, waitForJob } from './job-routes.ts';

/** Handlers of requests that become jobs. */
export function changes(queue: ApiQueue): { [T in JobType]: OrderHandler<JobType> } {
  const handler: OrderHandler<JobType> = (req, res, order) => submit(queue, req, res, order);
  return Object.fromEntries(jobTypes.map((type) => [type, handler])) as ReturnType<typeof changes>;
}

/**
 * Turns a change into a job and answers. The same request with the same id joins its existing job.
 */
async function submit(
  queue: ApiQueue,
  req: Request,
  res: Response,
  { wants: change, all: { h: wanted }, seal }: AuthorizedOrder<JobType>,
): Promise<void> {
  const { tenant, occupy } = res.locals.caller;
  const { trace, peer, span } = res.locals.log;
  const waited = preferredWait(req);
  if (waited) occupy('userWaits');
  const submission = {
    ...change,
    tenant,
    origin: { trace, peer, span },
    seal: (host: string) => seal({ use: 'job', host, job: change.id }),
  };
  const placed = await place(queue, submission, wanted);
  const isReplayed = placed.verdict === 'known';
  if (isReplayed && placed.record.fingerprint !== change.fingerprint)
    throw new Failure('request_id_reused', 'this request id was used for another request; choose a new one');
  (isReplayed ? replayed : accepted).add({ type: change.command.type });
  const { job } = isReplayed ? placed.record : placed;
  const waits = waited && !isFinal(job.state);
  const latest = waits ? await unlessLost(waitForJob(queue, change.id, waited, res)) : null;
  sendJob(req, res, latest?.job ?? job, waited, isReplayed);
}

/**
 * Finds the host and records the request there. A refusal that depends on the fleet's state applies
 * to new ids only: a known id gets its existing job, whatever has changed since.
 */
async function place(
  queue: ApiQueue,
  submission: JobSubmission,
  wanted: string | undefined,
): Promise<Extract<Accepted, { verdict: 'accepted' | 'known' }>> {
  const { id, command } = submission;
  const spec = specOf(command);
  try {
    const placed = await queue.accept(submission, await placementFor(queue, wanted, spec));
    if (placed.verdict === 'accepted' || placed.verdict === 'known') return placed;
    throw placed.verdict === 'nowhere' ? await noHost(queue, wanted, spec) : refusal(placed, command, wanted);
  } catch (error) {
    if (!(error instanceof Failure) || error.code === 'queue_unavailable') throw error;
    const record = await queue.job(id);
    if (record) return { verdict: 'known', record };
    throw error;
  }
}

type Refused = Exclude<Accepted, { verdict: 'accepted' | 'known' | 'nowhere' }>;

function refusal(refused: Refused, { type, params }: Command, wanted: string | undefined): Failure {
  const { resource } = params;
  const kind = jobs[type].on;
  switch (refused.verdict) {
    case 'elsewhere':
      return livesElsewhere(kind, refused.host, wanted);
    case 'missing':
      return notFound(kind, resource);
    case 'exists':
      return kind === 'repository' ? repositoryExists(resource) : gearExists(resource);
    case 'full':
      return full(refused.limit, `${kind} ${resource}`);
  }
}

function full(limit: keyof JobLimits, resource: string): Failure {
  const what = {
    maxJobs: 'too many unfinished jobs on the host',
    maxJobsPerGear: `too many unfinished jobs on the ${resource}`,
    maxQueueMegabytes: 'the unfinished jobs of the host take too much memory in Redis',
    userJobs: 'you have too many unfinished jobs on the host',
    userQueueMegabytes: 'your unfinished jobs on the host take too much memory in Redis',
  };
  const detail = `${what[limit]}; wait for one to end`;
  if (limit === 'userJobs' || limit === 'userQueueMegabytes') return limitReached(limit, detail);
  return new Failure('queue_full', `${detail} (limit ${limit})`, { limit });
}
