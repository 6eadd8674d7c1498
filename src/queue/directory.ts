import type { Redis } from 'ioredis';
import { z } from 'zod';
import { hostName, resourceName } from '../jobs/identifier.ts';
import type { Kind } from '../jobs/resource.ts';
import { parseJson } from '../lib/parse-json.ts';
import { keys } from './keys.ts';
import { runScript } from './scripts.ts';

/** Milliseconds between two signs of life of a worker. */
export const heartbeatInterval = 5_000;
/** A host is gone after three missed signs of life. */
const goneAfter = 3 * heartbeatInterval;

const announcement = z.object({
  name: hostName,
  version: z.string().max(64),
  gears: z.number().int().nonnegative(),
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
  state: 'live' | 'gone';
}

/** All hosts whose workers ever announced themselves. */
export async function readHosts(redis: Redis): Promise<HostEntry[]> {
  const all = await redis.hgetall(keys.hosts);
  return Object.values(all).flatMap((text) => {
    const parsed = announcement.safeParse(parseJson(text));
    if (!parsed.success) return [];
    const state = Date.now() - parsed.data.lastSeen < goneAfter ? 'live' : 'gone';
    return [{ ...parsed.data, state } as const];
  });
}

/** The host that holds a resource, or null. */
export async function findHolder(redis: Redis, kind: Kind, resource: string): Promise<string | null> {
  return redis.hget(keys.holders(kind), resource);
}

/** Every resource of a kind in the fleet with the host that holds it. */
export async function readHolders(redis: Redis, kind: Kind): Promise<Map<string, string>> {
  return new Map(Object.entries(await redis.hgetall(keys.holders(kind))));
}

export async function announceHost(redis: Redis, host: Announcement): Promise<void> {
  await redis.hset(keys.hosts, host.name, JSON.stringify(host));
}

/** Says that a host has gone on purpose, so that nobody waits for three missed signs of life. */
export async function withdrawHost(redis: Redis, host: Announcement): Promise<void> {
  await announceHost(redis, { ...host, lastSeen: 0 });
}

/**
 * Makes the directory say what is on a host's disk. A resource that another host holds too is left where the
 * directory has it and returned: somebody must look at it.
 */
export async function announceHeld(
  redis: Redis,
  host: string,
  kind: Kind,
  onDisk: string[],
): Promise<string[]> {
  const known = await readHolders(redis, kind);
  const conflicts: string[] = [];
  for (const resource of onDisk) {
    if (known.get(resource) === host) continue;
    const added = await redis.hsetnx(keys.holders(kind), resource, host);
    if (added === 0) conflicts.push(resource);
  }
  const there = new Set(onDisk);
  for (const [resource, holder] of known) {
    if (holder !== host || there.has(resource) || !resourceName.safeParse(resource).success) continue;
    await runScript(redis, 'forget', [keys.holders(kind), keys.line(host, kind, resource)], [resource, host]);
  }
  return conflicts;
}
