import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { type ErrorCode, Failure, hostUnavailable } from '../../jobs/errors.ts';
import { MiB } from '../../jobs/fields/bytes.ts';
import { type CopyHead, copyHead, maxCopyHead } from '../../jobs/rpc/copy.ts';
import { timeoutSignal } from '../../lib/async/timeout-signal.ts';
import { parseJson } from '../../lib/parse-json.ts';
import type { JobContext } from '../jobs/context.ts';
import { assertNotTooLarge } from './clone-limits.ts';
import { bundleName } from './git/git-container.ts';

/** Milliseconds between two progress reports. */
const reportInterval = 1_000;

/** Codes that a retry does not change. */
const final: ReadonlySet<ErrorCode> = new Set([
  'repository_not_found',
  'token_forbids',
  'token_invalid',
  'expired',
]);

/**
 * Writes the bundle of the repository to copy into a directory and returns its head. Throws
 * `timeout`, `clone_failed`, a failure of the source's worker that a retry does not change, or
 * otherwise a transient `host_unavailable`, such as when no api delivers the bundle.
 */
export async function fetchCopy(source: string, directory: string, context: JobContext): Promise<CopyHead> {
  const { job, services, signal } = context;
  const { requestCopy, limits } = services.repositories;
  const deadline = timeoutSignal(limits.seconds * 1000);
  const stop = new AbortController();
  const wanted = AbortSignal.any([signal, deadline, stop.signal]);
  try {
    return await write(await requestCopy(job, source, wanted), source, join(directory, bundleName), context);
  } catch (error) {
    signal.throwIfAborted();
    if (deadline.aborted)
      throw new Failure('timeout', `copying ${source} took longer than ${limits.seconds} s`);
    throw asOutcome(error);
  } finally {
    stop.abort(new Error('the rest of it is not needed'));
  }
}

function asOutcome(error: unknown): unknown {
  if (!(error instanceof Failure) || final.has(error.code) || error.code === 'clone_failed') return error;
  if (error.code === 'internal') return new Failure('clone_failed', error.message, { cause: error });
  return hostUnavailable(error.message, error);
}

async function write(
  body: AsyncIterable<Uint8Array>,
  source: string,
  path: string,
  { services, report }: JobContext,
): Promise<CopyHead> {
  const { limits } = services.repositories;
  const file = await open(path, 'wx', 0o644);
  try {
    await file.chmod(0o644); // git's own user must read it, whatever the umask.
    let head: CopyHead | null = null;
    let before = Buffer.alloc(0);
    let written = 0;
    let reported = Number.NEGATIVE_INFINITY;
    for await (const chunk of body) {
      let rest = chunk;
      if (head === null) {
        before = Buffer.concat([before, chunk]);
        const end = before.indexOf('\n');
        if (end < 0 && before.length <= maxCopyHead) continue;
        head = parseHead(before.subarray(0, Math.max(end, 0)));
        rest = before.subarray(end + 1);
      }
      written += rest.length;
      assertNotTooLarge(written, limits);
      await file.writeFile(rest);
      if (performance.now() - reported < reportInterval) continue;
      reported = performance.now();
      report({ step: 'copy', message: `${(written / MiB).toFixed(1)} MiB of ${source} received` });
    }
    if (head === null) throw notOfOurs();
    return head;
  } finally {
    await file.close();
  }
}

function parseHead(line: Buffer): CopyHead {
  const parsed = copyHead.safeParse(parseJson(line.toString('utf8')));
  if (!parsed.success) throw notOfOurs();
  return parsed.data;
}

const notOfOurs = () => new Failure('clone_failed', 'the received data is not a copy of a repository');
