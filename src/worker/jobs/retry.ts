import { type ErrorCode, Failure } from '../../jobs/errors.ts';
import { pause } from '../../lib/async/pause.ts';

/** Milliseconds for which a fault that may pass is waited out, by its code. */
const patience: Partial<Record<ErrorCode, number>> = {
  registry_failed: 8_000,
  host_unavailable: 60_000,
};

/**
 * Milliseconds after which an attempt has come so far that the patience begins anew when it fails,
 * and how often it does. No single call to systemd or Docker takes as long.
 */
const longAttempt = 30_000;
const maxLongAttempts = 3;

const firstDelay = 250;
const maxDelay = 4_000;

export interface RetryHooks {
  signal: AbortSignal;
  /** Told before each pause: what failed and in how many milliseconds it is tried again. */
  onRetry(failure: Failure, delay: number): void;
}

/**
 * Tries until it succeeds, fails for good, or the patience with its kind of failure is at its end.
 * Where the signal has aborted, that is why it failed, whatever it failed with: rejects with the
 * signal's reason.
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
