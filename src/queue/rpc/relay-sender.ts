import type { Redis } from 'ioredis';
import { pause } from '../../lib/async/pause.ts';
import { claimFrames, sendFrames } from './stream-relay.ts';

/** Timeout for the ends of streams when their connection is closed, in milliseconds. */
const endTimeout = 1_000;

/** Sends streams over a connection of its own. */
export interface RelaySender {
  /** See claimFrames in stream-relay.ts. */
  claim(key: string): Promise<boolean>;
  /** See sendFrames in stream-relay.ts. */
  send(
    key: string,
    body: AsyncIterable<Uint8Array>,
    abort: (reason: Error) => void,
    options?: { first?: number },
  ): Promise<void>;
  /**
   * Closes the connection when every stream has ended. A stream that was broken off tells its
   * reader, who would wait until it was silent for long.
   */
  close(): Promise<void>;
}

export function createRelaySender(redis: Redis): RelaySender {
  const running = new Set<Promise<void>>();
  return {
    claim: (key) => claimFrames(redis, key),
    send(key, body, abort, options) {
      const sent = sendFrames(redis, key, body, abort, options);
      running.add(sent);
      return sent.finally(() => running.delete(sent));
    },
    async close() {
      await Promise.race([Promise.allSettled(running), pause(endTimeout)]);
      redis.disconnect();
    },
  };
}
