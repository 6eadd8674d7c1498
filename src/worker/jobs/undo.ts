import type { Logger } from 'pino';
import { HandedBack } from './interruptions.ts';
import { withRetries } from './retry.ts';

/**
 * Undoes the work of a job, with retries. Returns a message for the client, or an empty string.
 * Rejects only with `HandedBack`, when the signal aborts with it.
 */
export async function undoWork(
  undo: () => Promise<string>,
  { signal, log }: { signal: AbortSignal; log: Logger },
): Promise<string> {
  try {
    return await withRetries(undo, { signal, onRetry: () => undefined });
  } catch (error) {
    if (error instanceof HandedBack) throw error;
    log.error({ err: error }, 'a job could not be rolled back');
    return 'the job could not be rolled back; the next job on the same resource continues from there';
  }
}

/** The detail of a failed job, with a message of its undoing on a line of its own. */
export const detailOf = (failure: Error, told: string) =>
  told ? `${failure.message}\n${told}` : failure.message;
