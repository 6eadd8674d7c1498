import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { RedisClock } from './clock.ts';
import { keys } from './keys.ts';

/** Whether a text has the form of an epoch: its time, in milliseconds since 1970, and an id. */
export const isEpoch = (text: string): boolean => /^\d{1,16} [0-9a-f-]{36}$/.test(text);

/**
 * Reads the epoch of a Redis and its age in milliseconds; begins one if there is none. The first
 * api that finds an empty Redis names it, so that every api notices another Redis, or one that lost
 * everything, even if it was never offline. An epoch without a readable time counts as new: the api
 * waits for the hosts as it does for a new Redis.
 */
export async function readEpoch(redis: Redis, clock: RedisClock): Promise<{ name: string; age: number }> {
  await redis.set(keys.epoch, `${Math.floor(clock.now())} ${randomUUID()}`, 'NX');
  const name = (await redis.get(keys.epoch)) ?? '';
  const age = clock.now() - Number(name.split(' ', 1)[0]);
  return { name, age: age > 0 ? age : 0 };
}
