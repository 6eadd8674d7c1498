import { type Failure, problemOf } from '../../jobs/errors.ts';
import { resourceName } from '../../jobs/fields/identifier.ts';
import { isJobType, kindOf } from '../../jobs/registry.ts';
import type { JobRecord } from '../../queue/worker-queue.ts';
import { detailOf, undoWork } from '../jobs/undo.ts';
import { finish } from './outcome-store.ts';
import type { StageParts } from './runner-parts.ts';

/**
 * Ends a job whose request is refused. If an earlier attempt had begun (its token may have expired
 * or its issuer may have been revoked since), first undoes the changes of that attempt. Returns the
 * id that is then first in its line.
 */
export async function refuse(
  parts: StageParts,
  record: JobRecord,
  failure: Failure,
  stopping: AbortSignal,
): Promise<string | null> {
  const { id: job, attempts } = record.job;
  const told = attempts > 0 ? await abandon(parts, record, failure, stopping) : '';
  const error = problemOf(failure.code, detailOf(failure, told), { job, host: parts.services.host });
  return finish(parts, record, { state: 'failed', error }, stopping);
}

/** Has the handler undo the changes of earlier attempts. The record is not trusted. */
async function abandon(
  { services, handlers }: StageParts,
  { job: { id, type, resource, user } }: JobRecord,
  why: Failure,
  signal: AbortSignal,
): Promise<string> {
  const handler = isJobType(type) ? handlers[type] : undefined;
  if (!resourceName.safeParse(resource).success) return '';
  const checkpoint = (look: () => Promise<string>) => look();
  const context = { job: id, tenant: user, services, signal, report: () => {}, checkpoint };
  const undo = async () => (await handler?.abandon?.(resource, context, why)) ?? '';
  const work = () => undoWork(undo, { signal, log: services.log });
  return kindOf(type) === 'gear' ? services.gearLocks.hold(resource, work) : work();
}
