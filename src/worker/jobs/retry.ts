import { type ErrorCode, Failure } from '../../jobs/errors.ts';
import { pause } from '../../lib/async/pause.ts';
import { asDiskFailure } from '../host/files.ts';

/** Milliseconds to retry a transient fault, by its code. */
const retryTimes: Partial<Record<ErrorCode, number>> = {
  registry_failed: 8_000,
  host_unavailable: 60_000,
};

/**
 * An attempt that fails with `host_unavailable` after this time (milliseconds) starts the time of
 * `retryTimes` again, at most `maxLongAttempts` times. No single call to systemd or Docker takes as
 * long, except the wait for a container's removal.
 */
const longAttempt = 30_000;
const maxLongAttempts = 3;

const firstDelay = 250;
const maxDelay = 4_000;

export interface RetryHooks {
  signal: AbortSignal;
  /** Called before each pause, with the failure and the delay in milliseconds. */
  onRetry(failure: Failure, delay: number): void;
}

/**
 * Retries until the attempt succeeds, fails for good, or exhausts the time for its code. Errors of
 * a full or faulty disk count as transient. If the signal has aborted, rejects with the signal's
 * reason, whatever the attempt failed with.
 */
export async function withRetries<T>(attempt: () => Promise<T>, { signal, onRetry }: RetryHooks): Promise<T> {
  let started = performance.now();
  let long = 0;
  for (let delay = firstDelay; ; delay = Math.min(delay * 2, maxDelay)) {
    const began = performance.now();
    try {
      return await attempt();
    } catch (caught) {
      signal.throwIfAborted();
      const error = asDiskFailure(caught) ?? caught;
      if (!(error instanceof Failure) || !error.transient) throw error;
      const wasLong = error.code === 'host_unavailable' && performance.now() - began > longAttempt;
      if (wasLong && long++ < maxLongAttempts) started = performance.now();
      if (performance.now() + delay - started > (retryTimes[error.code] ?? 0)) throw error;
      onRetry(error, delay);
      await pause(delay, signal);
    }
  }
}
