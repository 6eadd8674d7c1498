import type { Logger } from 'pino';

/**
 * Repeats a task; the interval counts from the end of the last run. Returns a function that stops
 * it.
 */
export function every(milliseconds: number, task: () => Promise<void>, log: Logger): () => void {
  let stopped = false;
  const again = () => {
    if (stopped) return;
    timer = setTimeout(() => {
      task()
        .catch((error: Error) => log.warn({ reason: error.message }, 'a periodic task failed'))
        .finally(again);
    }, milliseconds);
  };
  let timer: NodeJS.Timeout | undefined;
  again();
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}
