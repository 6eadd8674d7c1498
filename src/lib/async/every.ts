import type { Logger } from 'pino';

/** Does something again and again, the next time counted from the end of the last. Returns how to stop it. */
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
