import { EventEmitter, once } from 'node:events';
import type { Redis } from 'ioredis';
import { isFinal } from '../../jobs/job.ts';
import { pause } from '../../lib/async/pause.ts';
import { channels } from '../redis/keys.ts';
import type { JobRecord } from './job-record.ts';

/** Milliseconds between two looks at a job, in case the message about its end got lost. */
const lookAgain = 2_000;

export interface Waiter {
  /**
   * Resolves with the job when it finishes, or as it is after the time; null when there is none.
   */
  wait(id: string, milliseconds: number, signal?: AbortSignal): Promise<JobRecord | null>;
  /** Resolves on news about a job, after the time, or when the signal aborts. */
  news(id: string, milliseconds: number, signal?: AbortSignal): Promise<void>;
}

/**
 * Waits for jobs to finish. `subscriber` is a connection for subscriptions only; `read` reads the
 * record of a job.
 */
export function createWaiter(read: (id: string) => Promise<JobRecord | null>, subscriber: Redis): Waiter {
  const changed = new EventEmitter().setMaxListeners(0);
  const everywhere = channels.news('*');
  subscriber.on('pmessage', (pattern: string, _channel: string, id: string) => {
    if (pattern === everywhere) changed.emit(`job ${id}`);
  });
  subscriber.psubscribe(everywhere).catch(() => undefined); // ioredis repeats it at reconnects.

  async function nextNews(id: string, milliseconds: number, signal?: AbortSignal): Promise<void> {
    const over = new AbortController();
    const inTime = signal ? AbortSignal.any([signal, over.signal]) : over.signal;
    const heard = once(changed, `job ${id}`, { signal: over.signal });
    await Promise.race([heard, pause(milliseconds, inTime)]).catch(() => undefined);
    over.abort();
  }

  return {
    news: nextNews,
    async wait(id, milliseconds, signal) {
      const until = performance.now() + milliseconds;
      for (;;) {
        const left = until - performance.now();
        // Listening starts before looking, so that an end in between is not missed.
        const heard = left > 0 ? nextNews(id, Math.min(left, lookAgain), signal) : null;
        const record = await read(id);
        if (!record || isFinal(record.job.state) || !heard || signal?.aborted) return record;
        await heard;
      }
    },
  };
}
