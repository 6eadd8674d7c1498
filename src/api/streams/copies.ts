import type { Logger } from 'pino';
import { Failure } from '../../jobs/errors.ts';
import { isFinal } from '../../jobs/job.ts';
import type { CopyRequest } from '../../queue/api-queue.ts';
import { readOrder } from '../../requests/authorize.ts';
import { type Envelope, openRequest, sealRequest } from '../../requests/envelope.ts';
import { sourceOf } from '../../requests/references.ts';
import { tokenLabel } from '../../token/verifier.ts';
import type { ApiParts } from '../create-app.ts';
import { holderOf } from '../placement.ts';

/** Maximum number of concurrent copies. Another api, or a later request, serves the rest. */
const maxCopies = 64;

export type CopyParts = Pick<ApiParts, 'queue' | 'verifier' | 'sealer' | 'open' | 'log'>;

/** A copy that a worker requests. The log names the job's user as soon as that is known. */
interface Copy extends CopyRequest {
  log: Logger;
}

/**
 * Relays repositories from their hosts to the workers that copy them. The client's request, sealed
 * with the job, determines the repository that a worker may read. The api seals it again for the
 * source's worker, which decides. Returns a function that breaks off all copies in flight.
 */
export function serveCopies({ queue, verifier, sealer, open, log }: CopyParts): () => void {
  const stop = new AbortController();
  let running = 0;

  /** Reads the client's request from the record of the job that needs the copy. */
  async function requestOf(copy: Copy): Promise<Envelope> {
    const { host, job } = copy;
    const record = await queue.job(job);
    const isRunning = record?.job.host === host && !isFinal(record.job.state);
    const opened = isRunning ? openRequest(sealer, record.sealed, { use: 'job', host, job }) : null;
    if (!isRunning || !opened) throw new Failure('token_invalid', 'the host has no such job');
    const { origin } = record;
    copy.log = copy.log.child({ user: record.job.user, token: tokenLabel(opened.token), ...origin });
    return { ...opened, origin };
  }

  async function* everythingFor(copy: Copy, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const asked = await requestOf(copy);
    const { order } = await readOrder(asked, verifier);
    const source = sourceOf(order);
    if (source === null) throw new Failure('token_forbids', 'the job copies nothing');
    const host = await holderOf(queue, 'repository', source);
    const sealed = sealRequest(sealer, asked, { use: 'copy', host });
    const wanted = { name: 'repository.bundle', sealed, how: {} } as const;
    const { body } = await open(host, wanted, signal, copy.log);
    yield* body;
  }

  async function serve(request: CopyRequest): Promise<void> {
    if (stop.signal.aborted || running >= maxCopies) return;
    running++;
    const { host, job } = request;
    const copy: Copy = { ...request, log: log.child({ job }) };
    try {
      if (await queue.sendCopy(request, (signal) => everythingFor(copy, signal), stop.signal))
        copy.log.debug({ host }, 'a repository was sent to be copied');
    } catch (error) {
      copy.log.info({ host, reason: (error as Error).message }, 'a copy was broken off');
    } finally {
      running--;
    }
  }

  queue.onCopyRequest((request) => void serve(request));
  return () => stop.abort(new Error('the api is stopping'));
}
