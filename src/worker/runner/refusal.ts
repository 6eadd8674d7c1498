import type { Failure } from '../../jobs/errors.ts';
import type { JobRecord } from '../../queue/worker-queue.ts';
import { detailOf } from '../jobs/undo.ts';
import { abandon } from './abandon.ts';
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
  { earlier, stopping }: { earlier: number; stopping: AbortSignal },
): Promise<string | null> {
  const told = earlier > 0 ? await abandon(parts, record, failure, stopping) : '';
  const error = { code: failure.code, detail: detailOf(failure, told) };
  return finish(parts, record, { state: 'failed', error }, stopping);
}
