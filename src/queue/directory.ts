import type { Redis } from 'ioredis';
import { z } from 'zod';
import { hostName, resourceName } from '../jobs/identifier.ts';
import type { Kind, LineKind } from '../jobs/resource.ts';
import { parseJson } from '../lib/parse-json.ts';
import { channels, keys } from './keys.ts';
import { runScript } from './scripts.ts';

/** Milliseconds between two signs of life of a worker. */
export const heartbeatInterval = 5_000;
/** A host is gone after three missed signs of life. */
const goneAfter = 3 * heartbeatInterval;

const announcement = z.object({
  name: hostName,
  version: z.string().max(64),
  gears: z.number().int().nonnegative(),
  /** Whether it takes nothing new. */
  draining: z.boolean().default(false),
  /** `address:port` from which an api may fetch streams directly; null: through Redis only. */
  address: z
    .string()
    .max(300)
    .regex(/^(?:\[[0-9a-f:.]+\]|[A-Za-z0-9.-]+):\d{1,5}$/)
    .nullable()
    .default(null),
  /** Milliseconds since the epoch. */
  lastSeen: z.number(),
});
export type Announcement = z.infer<typeof announcement>;

export interface HostEntry extends Announcement {
  state: 'live' | 'draining' | 'gone';
}

/** All hosts whose workers ever announced themselves. */
export async function readHosts(redis: Redis): Promise<HostEntry[]> {
  const names = await redis.smembers(keys.hosts);
  const all = await Promise.all(names.map((name) => readHost(redis, name)));
  return all.filter((host) => host !== null);
}

/** One host, or null where no worker of that name ever announced itself. */
export async function readHost(redis: Redis, name: string): Promise<HostEntry | null> {
  const parsed = announcement.safeParse(parseJson((await redis.get(keys.host(name))) ?? ''));
  if (!parsed.success || parsed.data.name !== name) return null;
  const { draining, lastSeen } = parsed.data;
  const here = draining ? 'draining' : 'live';
  return { ...parsed.data, state: Date.now() - lastSeen < goneAfter ? here : 'gone' };
}

/** The host that holds a resource or has been asked to, or null. */
export async function findHolder(redis: Redis, kind: LineKind, resource: string): Promise<string | null> {
  const host = await redis.hget(keys.holders(kind), resource);
  if (host === null) return null;
  const [held, waiting] = await Promise.all([
    redis.sismember(keys.held(host, kind), resource),
    redis.zcard(keys.line(host, kind, resource)),
  ]);
  return held === 1 || waiting > 0 ? host : null;
}

/** Takes a name out of the directory that is no longer where it says; returns whether the name is free now. */
export async function releaseName(
  redis: Redis,
  kind: LineKind,
  resource: string,
  host: string,
): Promise<boolean> {
  const scriptKeys = [keys.holders(kind), keys.held(host, kind), keys.line(host, kind, resource)];
  return (await runScript(redis, 'release', scriptKeys, [resource, host])) === 1;
}

/** The names of what a host holds, as it was last announced. */
export async function readHeld(redis: Redis, host: string, kind: Kind): Promise<string[]> {
  return (await redis.smembers(keys.held(host, kind))).filter((name) => resourceName.safeParse(name).success);
}

/** Says that a host lives; `held` has everybody read again what it holds. */
export async function announceHost(redis: Redis, host: Announcement, held: boolean): Promise<void> {
  await redis
    .multi()
    .set(keys.host(host.name), JSON.stringify(host))
    .publish(channels.here(host.name), held ? 'held' : '')
    .exec();
}

/** Says that a host has gone on purpose, so that nobody waits for three missed signs of life. */
export async function withdrawHost(redis: Redis, host: Announcement): Promise<void> {
  await announceHost(redis, { ...host, lastSeen: 0 }, false);
}

/** Makes what Redis has of a host's resources say what is on its disk. */
export async function announceHeld(redis: Redis, host: string, kind: Kind, onDisk: string[]): Promise<void> {
  const key = keys.held(host, kind);
  const known = await redis.smembers(key);
  const there = new Set(onDisk);
  if (onDisk.length > 0) await redis.sadd(key, ...onDisk);
  for (const resource of known) {
    if (there.has(resource)) continue;
    await runScript(redis, 'forget', [key, keys.line(host, kind, resource)], [resource]);
  }
}
