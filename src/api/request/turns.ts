import { Limiter, type Release } from '../../lib/async/limiter.ts';

/** Milliseconds after a request for which its user counts as one of those who share the api. */
const shareTime = 10_000;

/**
 * Milliseconds for which a request keeps its turn at most: one that takes longer mostly waits for a
 * host or for Redis, and the user's next one can be worked on.
 */
const longestTurn = 50;

/**
 * Turns of the users who share an api: it works on so many requests of each at a time, so that a
 * user with many in flight delays the others no more than one with a few. A user who is alone need
 * not wait: requests that come together cost less, for what they ask Redis is sent together.
 */
export function createTurns(perUser: number): (user: string) => Promise<Release> {
  const turns = new Limiter({ all: Number.POSITIVE_INFINITY, perKey: perUser });
  let newest = { user: '', at: Number.NEGATIVE_INFINITY };
  /** The newest request of another user than the newest one's. */
  let other = newest;
  const isShared = (user: string) => {
    const now = performance.now();
    if (user !== newest.user) other = newest;
    newest = { user, at: now };
    return now - other.at < shareTime;
  };
  return async (user) => {
    if (!isShared(user)) return () => undefined;
    const end = await turns.wait(user);
    const timer = setTimeout(end, longestTurn);
    return () => {
      clearTimeout(timer);
      end();
    };
  };
}
