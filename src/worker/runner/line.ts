import { isFinal } from '../../jobs/job.ts';
import type { JobRecord, WorkerRecords } from '../../queue/worker-queue.ts';
import type { ActiveJob } from './active-job.ts';

/** Makes jobs wait for the job before them in the line of their resource, and wakes them. */
export interface Line {
  records: Pick<WorkerRecords, 'read' | 'drop'>;
  /** The jobs in this process, by id. */
  active: Map<string, ActiveJob>;
  deliver(id: string): Promise<void>;
}

/** Resolves when a job must check again whether it is first. */
export async function waitBehind(line: Line, job: ActiveJob, record: JobRecord, before: string) {
  // The job waits before we look, so that it misses no wake-up.
  const woken = job.waitBehind(before);
  if (!(await ensureActive(line, before, record))) job.wake();
  await woken;
}

/** Wakes a job that waits for a job no longer in this process. */
export function wakeIfStranded({ active }: Line, job: ActiveJob): void {
  if (job.before !== null && !active.has(job.before)) job.wake();
}

/** Wakes the job that is now first in its line; null: there is none. */
export function wakeFirst({ active, deliver }: Line, id: string | null): void {
  if (id === null) return;
  const job = active.get(id);
  if (job) job.wake();
  else deliver(id).catch(() => undefined); // The runner logged why; the job is delivered again.
}

/**
 * Whether the job before another one runs to its end here. Drops it from the line if it has ended
 * or has no record.
 */
async function ensureActive(line: Line, before: string, { job }: JobRecord): Promise<boolean> {
  if (line.active.has(before)) return true;
  const record = await line.records.read(before);
  const isOpen = record !== null && !isFinal(record.job.state);
  if (isOpen) wakeFirst(line, before);
  else await line.records.drop({ ...job, id: before });
  return isOpen;
}
