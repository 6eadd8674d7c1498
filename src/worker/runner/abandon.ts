import type { Failure } from '../../jobs/errors.ts';
import { resourceName } from '../../jobs/fields/identifier.ts';
import { isJobType, kindOf } from '../../jobs/registry.ts';
import type { JobRecord } from '../../queue/worker-queue.ts';
import { undoWork } from '../jobs/undo.ts';
import type { StageParts } from './runner-parts.ts';

/**
 * Has the handler undo what earlier attempts of a job have changed, because no attempt will follow.
 * Acts only on what this host itself has recorded for the job: the record is not trusted. Returns a
 * message for the client.
 */
export async function abandon(
  { services, handlers }: StageParts,
  { job: { id, type, resource, user } }: JobRecord,
  why: Failure,
  signal: AbortSignal,
): Promise<string> {
  const undo = isJobType(type) ? handlers[type].abandon : undefined;
  if (!undo || !resourceName.safeParse(resource).success)
    return 'what an earlier attempt has done stays in effect';
  const checkpoint = (look: () => Promise<string>) => look();
  const known = { job: id, tenant: user, sees: () => false, services };
  const context = { ...known, signal, report: () => {}, checkpoint };
  const work = () => undoWork(() => undo(resource, context, why), { signal, log: services.log });
  return kindOf(type) === 'gear' ? services.gearLocks.hold(resource, work) : work();
}
