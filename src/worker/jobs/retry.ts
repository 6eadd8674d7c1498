import { type ErrorCode, Failure } from '../../jobs/errors.ts';
import { pause } from '../../lib/async/pause.ts';

/** Milliseconds to retry a transient fault, by its code. */
const patience: Partial<Record<ErrorCode, number>> = {
  registry_failed: 8_000,
  host_unavailable: 60_000,
};

/**
 * An attempt that fails with `host_unavailable` after this time (milliseconds) renews the patience,
 * at most `maxLongAttempts` times. No single call to systemd or Docker takes as long.
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
 * Retries until the attempt succeeds, fails for good, or exhausts the patience for its code. If the
 * signal has aborted, rejects with the signal's reason, whatever the attempt failed with.
 */
export async function withRetries<T>(attempt: () => Promise<T>, { signal, onRetry }: RetryHooks): Promise<T> {
  let started = performance.now();
  let long = 0;
  for (let delay = firstDelay; ; delay = Math.min(delay * 2, maxDelay)) {
    const began = performance.now();
    try {
      return await attempt();
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof Failure) || !error.transient) throw error;
      const hadCome = error.code === 'host_unavailable' && performance.now() - began > longAttempt;
      if (hadCome && long++ < maxLongAttempts) started = performance.now();
      if (performance.now() + delay - started > (patience[error.code] ?? 0)) throw error;
      onRetry(error, delay);
      await pause(delay, signal);
    }
  }
}
