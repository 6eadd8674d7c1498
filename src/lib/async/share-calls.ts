import { pause } from './pause.ts';

/**
 * Runs at most one call and lets one wait; later callers share the result of the waiting one. The
 * next call starts `rest` milliseconds after the last has ended, so that callers in quick
 * succession share it.
 */
export function shareCalls<T>(call: () => Promise<T>, rest: number): () => Promise<T> {
  let busy: Promise<void> | null = null;
  let waiting: Promise<T> | null = null;
  const begin = () => {
    waiting = null;
    const called = call();
    busy = called
      .catch(() => undefined)
      .then(() => pause(rest))
      .finally(() => {
        busy = null;
      });
    return called;
  };
  return () => {
    if (waiting !== null) return waiting;
    if (busy === null) return begin();
    waiting = busy.then(begin);
    return waiting;
  };
}
