import { Failure, limitReached } from '../../../jobs/errors.ts';
import type { Program } from '../../../lib/exec.ts';

/**
 * Streams git's whole output. The body throws unless git succeeds. Waits for the first bytes, so
 * that an early error is a failure and not a broken stream. `what` names the output for people.
 */
export async function outputOf(
  program: Program,
  what: string,
  signal: AbortSignal,
): Promise<AsyncIterable<Uint8Array>> {
  const body = wholeOutput(program, what, signal);
  const first = await body.next();
  async function* all(): AsyncGenerator<Uint8Array> {
    try {
      if (!first.done) yield first.value;
      yield* body;
    } finally {
      await body.return(undefined);
    }
  }
  return all();
}

async function* wholeOutput(program: Program, what: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const aborted = () => void program.kill();
  signal.addEventListener('abort', aborted);
  try {
    signal.throwIfAborted();
    for await (const chunk of program.stdout) yield chunk as Buffer;
    const { status, stderr } = await program.ended;
    signal.throwIfAborted();
    if (/out of memory/i.test(stderr))
      throw limitReached('archiveMegabytes', `git needs more memory for ${what} than it may use`);
    if (status !== 0)
      throw new Failure('internal', `git could not make ${what}`, { cause: new Error(stderr) });
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    signal.removeEventListener('abort', aborted);
    await program.kill();
  }
}
