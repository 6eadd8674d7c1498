import type { Redis } from 'ioredis';
import type { Logger } from 'pino';
import { z } from 'zod';
import { hostName, resourceName } from '../../jobs/fields/identifier.ts';
import { kinds } from '../../jobs/fields/resource.ts';
import { pause } from '../../lib/async/pause.ts';
import { succeeds } from '../../lib/async/succeeds.ts';
import type { RedisClock } from '../redis/clock.ts';
import { readEpoch } from '../redis/epoch.ts';
import { channels, hostOfChannel, keys } from '../redis/keys.ts';
import { entrySettled, insertEntryIfAbsent, parseEntry, readEntry, releaseEntry } from './entries.ts';
import { epochOfHeld, heartbeatInterval, readHeld } from './hosts.ts';
import { createDirectoryReadiness } from './readiness.ts';
import { sweepDirectory } from './sweep.ts';

/**
 * Milliseconds between two comparisons of the whole directory with the hosts' resources, and
 * between two checks of the epoch.
 */
const sweepInterval = 180_000;
const epochInterval = 1_000;
/**
 * Milliseconds before the retry of a failed host read: twice as long each time, up to a heartbeat.
 */
const firstRetry = 200;
const lastRetry = heartbeatInterval;

export interface DirectorySync {
  /**
   * Resolves once the directory is reliable; throws `queue_unavailable` when the client should
   * retry.
   */
  settled(): Promise<void>;
  /** The epoch of the directory; see epoch.ts. */
  epoch(): string;
  /** Like `settled`, after it has checked that Redis is still the one that we know. */
  confirmed(): Promise<void>;
  close(): void;
}

export interface DirectorySyncParts {
  redis: Redis;
  subscriber: Redis;
  clock: RedisClock;
  /** Hosts to wait for at the start. */
  expected: readonly string[];
  log: Logger;
}

/**
 * Keeps the directory, which names the host of each resource, in step with the workers'
 * announcements. A worker may write only about itself, so only this can detect, and log, that two
 * hosts hold the same name.
 */
export function openDirectorySync(parts: DirectorySyncParts): DirectorySync {
  const { redis, subscriber, clock, expected, log } = parts;
  const readiness = createDirectoryReadiness(expected);
  const everywhere = channels.here('*');
  const stop = new AbortController();
  /** Hosts read under this epoch. */
  let known = new Set<string>();
  let epoch = '';

  const quietly = (what: string, task: () => Promise<unknown>) => {
    task().catch((error: Error) => log.debug({ reason: error.message }, what));
  };
  /** `announced`: the epoch under which the host has listed its resources; '': unknown. */
  const readHost = retrying(stop.signal, log, async (host, announced) => {
    const under = epoch;
    await enterHost(redis, host, log);
    if (under !== epoch) return; // Data read from another Redis is worthless for this one.
    known.add(host);
    if (announced !== '' && announced === epoch) readiness.heard(host);
  });

  /** Asks all hosts to announce their resources. */
  async function ask(): Promise<void> {
    known = new Set();
    await redis.publish(channels.who, epoch);
  }

  /** Checks the epoch, and asks all hosts if it is a new one. Returns whether it is. */
  async function look(): Promise<boolean> {
    const { name, age } = await readEpoch(redis, clock);
    if (name === epoch) return false;
    const isFirst = epoch === '';
    if (!isFirst)
      log.warn('Redis was replaced or has lost its data; asking all hosts to announce their resources');
    epoch = name;
    readiness.begin(isFirst ? age : 0);
    await ask();
    return true;
  }

  async function start(): Promise<void> {
    await subscriber.psubscribe(everywhere);
    if (!(await look())) await ask();
    for (const host of await redis.smembers(keys.hosts)) void readHost(host, epoch);
  }

  /** Frees a name; tries once more later if a request in flight may rely on it. */
  async function free(host: string, said: string): Promise<void> {
    if ((await freeName(redis, host, said)) !== 'busy') return;
    await pause(entrySettled + 100, stop.signal);
    await freeName(redis, host, said);
  }

  subscriber.on('pmessage', (pattern: string, channel: string, said: string) => {
    const host = hostOfChannel(channel);
    if (pattern !== everywhere || !hostName.safeParse(host).success) return;
    const announced = epochOfHeld(said);
    // A worker that no api has asked names no epoch.
    if (announced !== null) void readHost(host, announced || epoch);
    else if (said.startsWith('free ')) quietly('a name could not be freed', () => free(host, said));
    else if (said === 'left') readiness.left(host);
    // A heartbeat may be older than the loss: it does not say that the resources are in Redis.
    else if (!known.has(host)) void readHost(host, '');
  });
  // Redis may be another one, or may have lost everything.
  onReady([redis, subscriber], () => quietly('hosts could not be asked', start));
  const looking = setInterval(() => quietly('the epoch could not be read', look), epochInterval);
  const sweeping = setInterval(() => sweep(redis, log), sweepInterval);
  return {
    settled: readiness.settled,
    epoch: () => epoch,
    confirmed: () => look().then(readiness.settled),
    close() {
      readiness.close();
      stop.abort();
      clearInterval(looking);
      clearInterval(sweeping);
    },
  };
}

function sweep(redis: Redis, log: Logger): void {
  sweepDirectory(redis).catch((error: Error) =>
    log.warn({ reason: error.message }, 'the directory could not be swept'),
  );
}

/** Calls back at every connect, once all of these connections are ready. */
function onReady(connections: readonly Redis[], then: () => void): void {
  for (const connection of connections)
    connection.on('ready', () => {
      if (connections.every(({ status }) => status === 'ready')) then();
    });
}

/** Reads the resources of a host, as announced under an epoch, and retries after failures. */
function retrying(
  signal: AbortSignal,
  log: Logger,
  read: (host: string, announced: string) => Promise<void>,
) {
  /** Hosts that could not be read and await a retry, with the epoch of their last announcement. */
  const unread = new Map<string, string>();
  async function retry(host: string): Promise<void> {
    for (let delay = firstRetry; ; delay = Math.min(2 * delay, lastRetry)) {
      await pause(delay, signal);
      if (await succeeds(read(host, unread.get(host) ?? ''))) break;
    }
    unread.delete(host);
  }
  return async (host: string, announced: string): Promise<void> => {
    try {
      await read(host, announced);
    } catch (error) {
      const isRetried = unread.has(host);
      unread.set(host, announced || (unread.get(host) ?? ''));
      if (signal.aborted || isRetried) return;
      const { message: reason } = error as Error;
      log.warn({ host, reason }, 'the resources of a host cannot be read; retrying');
      retry(host).catch(() => undefined); // It is closed.
    }
  };
}

/** Removes a name from the directory if its host no longer has it. */
async function freeName(redis: Redis, host: string, said: string): Promise<'free' | 'held' | 'busy' | null> {
  const [, what, name] = said.split(' ', 3);
  const [kind, resource] = [z.enum(kinds).safeParse(what), resourceName.safeParse(name)];
  if (!kind.success || !resource.success) return null;
  const entry = await readEntry(redis, kind.data, resource.data);
  return entry?.host === host ? releaseEntry(redis, kind.data, resource.data, entry) : null;
}

/** Enters all resources of a host into the directory. */
async function enterHost(redis: Redis, host: string, log: Logger): Promise<void> {
  await redis.sadd(keys.hosts, host);
  for (const kind of kinds) {
    const names = await readHeld(redis, host, kind);
    const entries = names.length > 0 ? await redis.hmget(keys.holders(kind), ...names) : [];
    for (const [i, name] of names.entries()) {
      const entry = parseEntry(entries[i] ?? null);
      if (entry?.host === host) continue;
      if (entry && (await releaseEntry(redis, kind, name, entry)) === 'held') {
        log.error({ kind, name, hosts: [entry.host, host] }, 'two hosts hold the same name');
      } else await insertEntryIfAbsent(redis, kind, name, host);
    }
  }
}
