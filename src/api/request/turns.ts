import { Limiter, type Release } from '../../lib/async/limiter.ts';

/**
 * Maximum length of a turn, in milliseconds. A request that takes longer mostly waits for a host or
 * for Redis, so the user's next request can start.
 */
const longestTurn = 50;

/** Maximum time until a busy user gets the same turn again, in milliseconds. */
const longestCooldown = 500;

/**
 * Creates the turns of users who share an api. It works on `perUser` requests of each user at a
 * time, so that a user with many in flight delays others no more than a user with a few. A lone
 * user does not wait: concurrent requests cost less, because their Redis commands travel together.
 * A busy user cools down; see Limiter.
 */
export function createTurns(perUser: number): (user: string) => Promise<Release> {
  const turns = new Limiter({ all: Number.POSITIVE_INFINITY, perKey: perUser, longestCooldown });
  return async (user) => {
    turns.noteActive(user);
    if (!turns.isShared(user)) return () => undefined;
    const end = await turns.wait(user);
    const timer = setTimeout(end, longestTurn);
    return () => {
      clearTimeout(timer);
      end();
    };
  };
}
