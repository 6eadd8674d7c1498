import type { Logger } from 'pino';
import type { Job, Outcome } from '../../jobs/job.ts';
import { kindOf } from '../../jobs/registry.ts';
import { beginJob } from '../../lib/tracing.ts';
import { heartbeatInterval, type JobRecord } from '../../queue/worker-queue.ts';
import type { AuthorizedJob } from '../authorization.ts';
import { type Execution, execute } from '../jobs/execute.ts';
import { followSteps } from '../metrics.ts';
import { errorCodeOf } from './outcome-store.ts';
import type { RunnerParts } from './runner-parts.ts';

/**
 * A job that was not taken for this time (milliseconds) has waited for an offline host: a live host
 * takes it at once.
 */
const offlineAfter = 2 * heartbeatInterval;

/**
 * Runs a job that has begun, by its authorized request and within its span. Rejects only with
 * `HandedBack`.
 */
export async function runJob(...job: Parameters<typeof run>): Promise<Outcome> {
  const [, record, { command }] = job;
  const span = beginJob(record.job.id, command.type, record.origin.span);
  if (span === null) return run(...job);
  let ended: { state: string; code?: string | undefined } = { state: 'handed back' };
  try {
    const outcome = await span.run(() => run(...job));
    ended = { state: outcome.state, code: errorCodeOf(outcome) };
    return outcome;
  } finally {
    span.end({ 'geard.job.state': ended.state }, ended.code);
  }
}

async function run(
  parts: RunnerParts,
  record: JobRecord,
  { command, tenant, sees }: AuthorizedJob,
  signals: Pick<Execution, 'signal' | 'handedBack'>,
  log: Logger,
): Promise<Outcome> {
  const { records, authorizer, journal, services, handlers } = parts;
  const { id, type, resource } = record.job;
  const replacedBy = await findReplacement(parts, record);
  if (replacedBy !== null) return { state: 'cancelled', result: { supersededBy: replacedBy } };
  const cancelled = record.cancel !== null && (await authorizer.cancels(record.cancel, record));
  const enter = followSteps();
  // Progress is lost while Redis accepts no writes; the job goes on without waiting for it.
  const unlessLost = (told: Promise<void>) =>
    void told.catch((error: Error) => log.debug({ reason: error.message }, 'progress was not recorded'));
  const context: Execution['context'] = {
    job: id,
    tenant,
    sees,
    services: { ...services, log },
    report(progress) {
      enter(progress.step);
      unlessLost(records.progress(id, progress));
    },
    checkpoint: (look) => journal.checkpoint(id, look),
  };
  const work = () =>
    execute(record.job, command, {
      ...signals,
      handlers,
      context,
      crashes: record.crashes - 1, // Not counting this attempt.
      cancelled,
      countRetry: () => unlessLost(records.retried(id)),
    }).finally(() => enter(null));
  return kindOf(type) === 'gear' ? services.gearLocks.hold(resource, work) : work();
}

/**
 * Finds the start or stop right after one that waited for its offline host: only the newest that
 * can still run takes effect. Null: there is none.
 */
async function findReplacement(
  { records, authorizer }: RunnerParts,
  record: JobRecord,
): Promise<Job['id'] | null> {
  const waited = (record.takenAt ?? 0) - Date.parse(record.job.createdAt);
  if (!decidesWhetherItRuns(record.job) || waited < offlineAfter) return null;
  const next = await records.next(record);
  if (next?.job.state !== 'queued' || next.cancel !== null || !decidesWhetherItRuns(next.job)) return null;
  if (!(await authorizer.allows(next).catch(() => false))) return null;
  // It may have expired, too. Taking it now decides that, by Redis's clock.
  return (await records.take(next.job.id)) === 'taken' ? next.job.id : null;
}

/** Whether the only lasting effect of a job is that its gear runs, or does not. */
const decidesWhetherItRuns = ({ type }: Pick<Job, 'type'>) =>
  type === 'container.start' || type === 'container.stop';
