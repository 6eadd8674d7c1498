import type { Redis } from 'ioredis';

export interface RedisClock {
  /** Redis's time now, milliseconds since the epoch, as well as we know it. */
  now(): number;
}

/** Milliseconds for which a measurement holds: somebody may set a clock. */
const holds = 5_000;

/**
 * How far Redis's clock is from ours: scripts compare deadlines with their own time, and what hosts
 * tell each other of time is Redis's, for theirs differ. Measured at every connect, and again when
 * it is used.
 */
export function followClock(redis: Redis): RedisClock {
  let offset = 0;
  let measured = Number.NEGATIVE_INFINITY;
  const measure = async () => {
    measured = performance.now();
    offset = await measureOffset(redis);
  };
  const keepUp = () => {
    measure().catch(() => undefined); // Until it is measured again the last one holds.
  };
  redis.on('ready', keepUp);
  return {
    now() {
      if (performance.now() - measured > holds && redis.status === 'ready') keepUp();
      return Date.now() + offset;
    },
  };
}

/** Milliseconds that Redis's clock is ahead of ours. */
export async function measureOffset(redis: Redis): Promise<number> {
  const sent = Date.now();
  const [seconds, microseconds] = await redis.time();
  const received = Date.now();
  return Number(seconds) * 1000 + Number(microseconds) / 1000 - (sent + received) / 2;
}
