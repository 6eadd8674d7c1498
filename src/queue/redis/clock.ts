import type { Redis } from 'ioredis';

export interface RedisClock {
  /** Estimate of Redis's time, in milliseconds since the epoch. */
  now(): number;
}

/** Milliseconds for which a measurement holds; a clock may be set in between. */
const holds = 5_000;

/**
 * Tracks the offset of Redis's clock from ours: scripts compare deadlines with Redis's time, and
 * hosts exchange times by it, because their own clocks differ. Measures at every connect, and again
 * on use once the measurement is stale.
 */
export function followClock(redis: Redis): RedisClock {
  let offset = 0;
  let measured = Number.NEGATIVE_INFINITY;
  const measure = async () => {
    measured = performance.now();
    offset = await measureOffset(redis);
  };
  const keepUp = () => {
    measure().catch(() => undefined); // The last measurement holds until the next.
  };
  redis.on('ready', keepUp);
  return {
    now() {
      if (performance.now() - measured > holds && redis.status === 'ready') keepUp();
      return Date.now() + offset;
    },
  };
}

/** Milliseconds by which Redis's clock is ahead of ours. */
export async function measureOffset(redis: Redis): Promise<number> {
  const sent = Date.now();
  const [seconds, microseconds] = await redis.time();
  const received = Date.now();
  const offset = Number(seconds) * 1000 + Number(microseconds) / 1000 - (sent + received) / 2;
  // Within the error of the measurement the clocks are equal, as on one machine they are.
  return Math.abs(offset) <= (received - sent) / 2 ? 0 : offset;
}
