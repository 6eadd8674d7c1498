import { Failure } from '../../jobs/errors.ts';
import { resourceName } from '../../jobs/fields/identifier.ts';
import type { Outcome } from '../../jobs/job.ts';
import { kindOf } from '../../jobs/registry.ts';
import { pause } from '../../lib/async/pause.ts';
import type { JobRecord } from '../../queue/worker-queue.ts';
import { asDiskFailure } from '../host/files.ts';
import type { HostServices } from '../host-services.ts';
import { isOnDisk } from '../host-state/on-disk.ts';
import { finished } from '../metrics.ts';
import { abandon } from './abandon.ts';
import type { StageParts } from './runner-parts.ts';

/** Milliseconds between two attempts to write to a full disk. */
const diskInterval = 1_000;

/**
 * Writes to the journal. Waits while the disk is full, and reports that as the job's progress.
 * Rejects with the signal's reason. A lost outcome would make the job run again.
 */
export async function untilWritten(
  { records, logStall }: StageParts,
  id: string,
  write: () => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  for (let isTold = false; ; isTold = true) {
    try {
      return await write();
    } catch (error) {
      const failure = asDiskFailure(error);
      if (failure === null) throw error;
      logStall(id, error);
      // Redis may accept no writes for the same reason: the wait goes on, reported or not.
      if (!isTold) records.progress(id, { step: 'wait', message: failure.message }).catch(() => undefined);
      await pause(diskInterval, signal);
    }
  }
}

/** Reports an outcome in the job's record. Returns the id that is then first in the job's line. */
export async function finish(
  parts: StageParts,
  record: JobRecord,
  outcome: Outcome,
  signal: AbortSignal,
): Promise<string | null> {
  const { id, type } = record.job;
  await untilWritten(parts, id, () => parts.journal.clear(id), signal);
  const next = await parts.records.finish(record, outcome, await isHere(parts.services, record));
  finished.add({ type, state: outcome.state, code: errorCodeOf(outcome) });
  return next;
}

export const errorCodeOf = (outcome: Outcome) =>
  outcome.state === 'failed' ? outcome.error.code : undefined;

/**
 * Drops a job that ended without this worker. If it had begun (an api then removed the host from
 * the fleet), undoes its changes.
 */
export async function drop(parts: StageParts, record: JobRecord, stopping: AbortSignal): Promise<void> {
  const { job } = record;
  const why = new Failure('host_unavailable', 'the job has ended without its worker');
  const isDone = (await parts.journal.read(job.id)) !== null; // Delivered again after its end.
  if (job.attempts > 0 && !isDone) await abandon(parts, record, why, stopping);
  await parts.journal.clear(job.id);
  await parts.records.drop(job);
}

/** Whether the resource of a record is on this host. The record is not trusted. */
async function isHere({ paths }: HostServices, { job: { type, resource } }: JobRecord): Promise<boolean> {
  const kind = kindOf(type);
  return kind !== 'host' && resourceName.safeParse(resource).success && isOnDisk(paths, kind, resource);
}
