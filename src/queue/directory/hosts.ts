import type { Redis } from 'ioredis';
import { z } from 'zod';
import { hostName, resourceName } from '../../jobs/fields/identifier.ts';
import type { Kind } from '../../jobs/fields/resource.ts';
import { hostLimits } from '../../jobs/limits.ts';
import type { HostState } from '../../jobs/types/host.ts';
import { parseJson } from '../../lib/parse-json.ts';
import type { RedisClock } from '../redis/clock.ts';
import { channels, keys } from '../redis/keys.ts';
import { unlessMalformed } from '../redis/malformed.ts';
import { runScript } from '../scripts/run-script.ts';

/** Milliseconds between two heartbeats of a worker. */
export const heartbeatInterval = 5_000;
/** Milliseconds after which a host is gone: three missed heartbeats. */
export const goneAfter = 3 * heartbeatInterval;

/** Maximum number of ports in an announcement: every host repeats its own every few seconds. */
export const maxPorts = 5_000;

/** Wrong ports, or a wrong address, count as not announced: they do not hide the host. */
const announcement = z.object({
  name: hostName,
  version: z.string().max(64),
  gears: z.number().int().nonnegative(),
  /** Whether it accepts nothing new. */
  draining: z.boolean().default(false),
  /** `address:port` from which an api may fetch streams directly; null: through Redis only. */
  address: z
    .string()
    .max(300)
    .regex(/^(?:\[[0-9a-f:.]+\]|[A-Za-z0-9.-]+):\d{1,5}$/)
    .nullable()
    .default(null)
    .catch(null),
  /** MiB that the host has for gears, and MiB promised to its gears. */
  memory: z.number().int().nonnegative().default(0),
  memoryTaken: z.number().int().nonnegative().default(0),
  /** External ports of its gears, or some of them: they only guide the choice of a host. */
  ports: z.array(z.number().int()).max(maxPorts).default([]).catch([]),
  /**
   * Its limits for parallel work and for gears; null: its worker announced none in a form that we
   * know.
   */
  limits: hostLimits
    // A worker of the previous version has no such limit.
    .extend({ maxStarts: hostLimits.shape.maxStarts.default(Number.POSITIVE_INFINITY) })
    .nullable()
    .catch(null),
  /** Milliseconds since the epoch, by Redis's clock. */
  lastSeen: z.number(),
});
export type Announcement = z.infer<typeof announcement>;
/** The part of an announcement that a worker knows by itself. */
export type HostReport = Omit<Announcement, 'lastSeen'>;

export interface HostEntry extends Announcement {
  state: HostState;
}

/**
 * Returns a function that reads all hosts whose workers ever announced themselves. It parses only
 * announcements that changed since the last read.
 */
export function createHostsReader(redis: Redis, clock: RedisClock): () => Promise<HostEntry[]> {
  let said = new Map<string, { text: string | null; host: Announcement | null }>();
  return async () => {
    const names = await redis.smembers(keys.hosts);
    const texts = await readTexts(redis, names);
    const before = said;
    said = new Map();
    for (const [i, name] of names.entries()) {
      const text = texts[i] ?? null;
      const known = before.get(name);
      said.set(name, known?.text === text ? known : { text, host: parseAnnouncement(name, text) });
    }
    return [...said.values()].flatMap(({ host }) => host ?? []).map((host) => entryOf(host, clock));
  };
}

async function readTexts(redis: Redis, names: string[]): Promise<(string | null)[]> {
  const all = names.map(keys.host);
  if (redis.isCluster) return Promise.all(all.map((key) => unlessMalformed(redis.get(key), null)));
  return all.length > 0 ? redis.mget(all) : [];
}

/** One host, or null if no worker of that name ever announced itself or the host was removed. */
export async function readHost(redis: Redis, clock: RedisClock, name: string): Promise<HostEntry | null> {
  const [text, known] = await Promise.all([
    unlessMalformed(redis.get(keys.host(name)), null),
    redis.sismember(keys.hosts, name),
  ]);
  const host = known === 0 ? null : parseAnnouncement(name, text);
  return host && entryOf(host, clock);
}

function parseAnnouncement(name: string, text: string | null): Announcement | null {
  const parsed = announcement.safeParse(parseJson(text ?? ''));
  return parsed.success && parsed.data.name === name ? parsed.data : null;
}

function entryOf(host: Announcement, clock: RedisClock): HostEntry {
  const here = host.draining ? 'draining' : 'live';
  return { ...host, state: clock.now() - host.lastSeen < goneAfter ? here : 'gone' };
}

/** The names that a host holds, as of its last announcement. */
export async function readHeld(redis: Redis, host: string, kind: Kind): Promise<string[]> {
  return (await redis.smembers(keys.held(host, kind))).filter((name) => resourceName.safeParse(name).success);
}

/** The names among `names` that a host holds, as of its last announcement. */
export async function heldAmong(redis: Redis, host: string, kind: Kind, names: string[]): Promise<string[]> {
  if (names.length === 0) return [];
  const held = await unlessMalformed(redis.smismember(keys.held(host, kind), ...names), []);
  return names.filter((_, i) => held[i] === 1);
}

/** The worker that holds a host's name. */
export interface Holder {
  /** Identity of the host's disk: a worker with the same one may take over from its predecessor. */
  identity: string;
  /** Its location, for people. */
  place: string;
}

/** Another worker holds the host's name. */
export class NameTaken extends Error {
  constructor(host: string, lease: string) {
    const parsed = z.object({ place: z.string().max(500) }).safeParse(parseJson(lease));
    const where = parsed.success ? parsed.data.place : 'somewhere else';
    super(`another worker is alive under the name ${host}: ${where}; stop it, or choose another --host`);
    this.name = 'NameTaken';
  }
}

/**
 * What a worker says of its host: `left` that it leaves on purpose, `held` that its resources are
 * in Redis. With an epoch, it has listed them since an api asked for them under that epoch: a
 * message that was on its way when Redis lost everything names an older one, and does not count.
 */
export type HostMessage = '' | 'left' | 'held' | `held ${string}`;

/** Says `held`, with an epoch unless it is ''. */
export const heldUnder = (epoch: string): HostMessage => (epoch === '' ? 'held' : `held ${epoch}`);

/** The epoch that such a message names, '' if it names none; null for every other message. */
export const epochOfHeld = (message: string): string | null =>
  message === 'held' || message.startsWith('held ') ? message.slice('held '.length) : null;

/**
 * Announces that a host is alive, with a message. Rejects with `NameTaken` while another worker
 * holds the lease of its name.
 */
export async function announceHost(
  redis: Redis,
  host: Announcement,
  holder: Holder,
  message: HostMessage,
): Promise<void> {
  const { name } = host;
  const scriptKeys = [keys.host(name), keys.lease(name)];
  const lease = [holder.identity, JSON.stringify(holder), goneAfter];
  const args = [JSON.stringify(host), ...lease, channels.here(name), message];
  const other = await runScript(redis, 'announce', scriptKeys, args);
  if (other !== null) throw new NameTaken(name, other);
}

/** Announces that a host leaves on purpose, so that no api waits for three missed heartbeats. */
export async function withdrawHost(redis: Redis, host: HostReport, holder: Holder): Promise<void> {
  await announceHost(redis, { ...host, lastSeen: 0 }, holder, 'left');
  await redis.del(keys.lease(host.name));
}

/**
 * Brings a host's resources in Redis in line with its disk, while jobs go on. It reads Redis first,
 * so that a name added between the two reads does not count as gone. It adds only the names missing
 * there, so that a name being removed does not come back.
 */
export async function announceHeld(
  redis: Redis,
  host: string,
  kind: Kind,
  list: () => Promise<string[]>,
): Promise<void> {
  const key = keys.held(host, kind);
  const known = new Set(await redis.smembers(key));
  const onDisk = new Set(await list());
  const missing = [...onDisk].filter((name) => !known.has(name));
  if (missing.length > 0) await redis.sadd(key, ...missing);
  for (const resource of known) {
    if (onDisk.has(resource)) continue;
    await runScript(redis, 'forget', [key, keys.line(host, kind, resource)], [resource]);
  }
}
