import type { Logger } from 'pino';
import { createRecent } from '../../lib/recent.ts';
import { asDiskFailure } from '../host/files.ts';

/** Milliseconds before the same reason is logged again: all open jobs may have it. */
const quietTime = 60_000;
const maxReasons = 100;

/** Logs why jobs cannot go on; `logOf` returns the log of each. */
export function createStallLog(logOf: (id: string) => Logger): (id: string, error: unknown) => void {
  const logged = createRecent(quietTime, maxReasons);
  return (id, error) => {
    const { message: reason } = asDiskFailure(error) ?? (error as Error);
    if (logged.has(reason)) return;
    logged.add(reason);
    logOf(id).warn({ reason, err: error }, 'a job cannot continue and will be retried');
  };
}
