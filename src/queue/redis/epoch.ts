import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { RedisClock } from './clock.ts';
import { keys } from './keys.ts';

/**
 * The epoch of a Redis: the first api that comes to an empty one names it, so that all notice when
 * it is another Redis, or has lost everything, even if it was never away.
 */
export interface Epoch {
  name: string;
  /** Milliseconds for which it has been so. */
  age: number;
}

/** The epoch as it is now; it begins where there is none. */
export async function readEpoch(redis: Redis, clock: RedisClock): Promise<Epoch> {
  await redis.set(keys.epoch, `${Math.floor(clock.now())} ${randomUUID()}`, 'NX');
  const name = (await redis.get(keys.epoch)) ?? '';
  return { name, age: clock.now() - Number(name.split(' ', 1)[0]) };
}
