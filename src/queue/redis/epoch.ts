import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { RedisClock } from './clock.ts';
import { keys } from './keys.ts';

/**
 * The epoch of a Redis. The first api that finds an empty Redis names it, so that every api notices
 * another Redis, or one that lost everything, even if it was never offline.
 */
export interface Epoch {
  name: string;
  /** Milliseconds since it began. */
  age: number;
}

/** Reads the current epoch; begins one if there is none. */
export async function readEpoch(redis: Redis, clock: RedisClock): Promise<Epoch> {
  await redis.set(keys.epoch, `${Math.floor(clock.now())} ${randomUUID()}`, 'NX');
  const name = (await redis.get(keys.epoch)) ?? '';
  return { name, age: clock.now() - Number(name.split(' ', 1)[0]) };
}
