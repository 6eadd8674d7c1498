import { Failure } from '../../jobs/errors.ts';
import type { JobRecord } from '../../queue/worker-queue.ts';
import type { AuthorizedJob } from '../authorization.ts';
import type { JournalEntry } from '../jobs/job-journal.ts';
import { drop, untilWritten } from './outcome-store.ts';
import { refuse } from './refusal.ts';
import type { StageParts } from './runner-parts.ts';

/** The decision about a job. */
export type Admission =
  /** Its request is authorized until `until` (performance.now()). */
  | { verdict: 'run'; request: AuthorizedJob; until: number }
  /** It was done before; the worker reports its outcome again. */
  | { verdict: 'replay'; entry: JournalEntry }
  /** It has ended: refused, or without this worker. `next` is now first in its line. */
  | { verdict: 'ended'; next: string | null };

/** Milliseconds an admission is valid: keys may be revoked while a job waits for longer. */
const admissionHolds = 1_000;

/**
 * Takes a job and authorizes its request. A job with a refused request fails here. `earlier`: the
 * attempts that have ended.
 */
export async function admit(
  parts: StageParts,
  record: JobRecord,
  stopping: AbortSignal,
  earlier = record.job.attempts,
): Promise<Admission> {
  const { records, authorizer, journal } = parts;
  const { id } = record.job;
  const entry = await journal.read(id);
  if (entry) return { verdict: 'replay', entry };
  try {
    const taken = await records.take(id);
    if (taken === 'over') {
      await drop(parts, record, stopping);
      return { verdict: 'ended', next: null };
    }
    if (taken === 'expired') {
      const reason = 'the host was offline for longer than the job may wait';
      authorizer.auditRejection(record, reason);
      throw new Failure('expired', reason);
    }
    const request = await authorizer.job(record, (digest) => journal.wasTaken(id, digest));
    await untilWritten(parts, id, () => journal.take(id, request.digest), stopping);
    return { verdict: 'run', request, until: performance.now() + admissionHolds };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return { verdict: 'ended', next: await refuse(parts, record, error, { earlier, stopping }) };
  }
}
