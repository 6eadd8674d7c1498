import type { Redis } from 'ioredis';

export interface RedisClock {
  /** Redis's time now, milliseconds since the epoch, as well as we know it. */
  now(): number;
}

/** How far Redis's clock is from ours, measured at every connect: scripts compare deadlines with their own time. */
export function followClock(redis: Redis): RedisClock {
  let offset = 0;
  const measure = async () => {
    const sent = Date.now();
    const [seconds, microseconds] = await redis.time();
    const received = Date.now();
    offset = Number(seconds) * 1000 + Number(microseconds) / 1000 - (sent + received) / 2;
  };
  redis.on('ready', () => {
    measure().catch(() => undefined); // Measured again at the next connect; until then the last one holds.
  });
  return { now: () => Date.now() + offset };
}
