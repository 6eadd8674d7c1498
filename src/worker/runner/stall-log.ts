import type { Logger } from 'pino';
import { BoundedMap } from '../../lib/bounded-map.ts';
import { asDiskFailure } from '../host/files.ts';

/** Milliseconds for which one reason is not logged again: all open jobs may have it. */
const quietTime = 60_000;
const maxReasons = 100;

/** Logs why jobs cannot go on. */
export function createStallLog(log: Logger): (id: string, error: unknown) => void {
  const loggedAt = new BoundedMap<string, number>(maxReasons);
  return (id, error) => {
    const { message: reason } = asDiskFailure(error) ?? (error as Error);
    const before = loggedAt.get(reason) ?? Number.NEGATIVE_INFINITY;
    if (performance.now() - before < quietTime) return;
    loggedAt.set(reason, performance.now());
    log.warn({ id, reason, err: error }, 'a job cannot go on; it is tried again');
  };
}
