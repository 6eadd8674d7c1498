import type { Redis } from 'ioredis';
import type { Logger } from 'pino';
import { z } from 'zod';
import { hostName, resourceName } from '../../jobs/fields/identifier.ts';
import { kinds } from '../../jobs/fields/resource.ts';
import { pause } from '../../lib/async/pause.ts';
import type { RedisClock } from '../redis/clock.ts';
import { readEpoch } from '../redis/epoch.ts';
import { channels, hostOfChannel, keys } from '../redis/keys.ts';
import { entrySettled, insertEntryIfAbsent, parseEntry, readEntry, releaseEntry } from './entries.ts';
import { heartbeatInterval, readHeld } from './hosts.ts';
import { createDirectoryReadiness } from './settling.ts';
import { sweepDirectory } from './sweep.ts';

/**
 * Milliseconds between two comparisons of the whole directory with what hosts hold, and between two
 * looks at the epoch.
 */
const sweepInterval = 180_000;
const epochInterval = 1_000;
/**
 * Milliseconds until a host that could not be read is read again: twice as long each time, up to a
 * heartbeat.
 */
const firstRetry = 200;
const lastRetry = heartbeatInterval;

export interface DirectorySync {
  /**
   * Resolves when the directory can be relied upon; throws `queue_unavailable` where a request
   * should come again.
   */
  settled(): Promise<void>;
  /** The epoch that the directory is of; see epoch.ts. */
  epoch(): string;
  /** Looks whether Redis is still the one that we know. */
  look(): Promise<void>;
  close(): void;
}

export interface DirectorySyncParts {
  redis: Redis;
  subscriber: Redis;
  clock: RedisClock;
  /** Hosts that are to be heard of in the beginning. */
  expected: readonly string[];
  log: Logger;
}

/**
 * Keeps the directory, which names the host of each resource, up with what the workers say. A
 * worker may write only about itself; that one name is in two places can be seen only here, and is
 * told in the log.
 */
export function openDirectorySync(parts: DirectorySyncParts): DirectorySync {
  const { redis, subscriber, clock, expected, log } = parts;
  const settling = createDirectoryReadiness(expected);
  const everywhere = channels.here('*');
  const stop = new AbortController();
  /** Hosts that were read under this epoch. */
  let known = new Set<string>();
  let epoch = '';

  const quietly = (what: string, task: () => Promise<unknown>) => {
    task().catch((error: Error) => log.debug({ reason: error.message }, what));
  };
  const learn = readingAgain(stop.signal, log, async (host) => {
    const under = epoch;
    await learnHost(redis, host, log);
    if (under !== epoch) return; // What was read of another Redis says nothing of this one.
    known.add(host);
    settling.heard(host);
  });

  async function look(): Promise<void> {
    const { name, age } = await readEpoch(redis, clock);
    if (name === epoch) return;
    if (epoch !== '')
      log.warn('Redis is another one, or has lost everything; hosts are asked what they hold');
    const first = epoch === '';
    epoch = name;
    settling.begin(first ? age : 0);
    known = new Set();
    await redis.publish(channels.who, '');
  }

  async function start(): Promise<void> {
    await subscriber.psubscribe(everywhere);
    await look();
    known = new Set();
    for (const host of await redis.smembers(keys.hosts)) void learn(host);
    await redis.publish(channels.who, '');
  }

  /** Where a request may be on its way that counts on the name, that is looked at again. */
  async function free(host: string, said: string): Promise<void> {
    if ((await freeName(redis, host, said)) !== 'busy') return;
    await pause(entrySettled + 100, stop.signal);
    await freeName(redis, host, said);
  }

  subscriber.on('pmessage', (pattern: string, channel: string, said: string) => {
    const host = hostOfChannel(channel);
    if (pattern !== everywhere || !hostName.safeParse(host).success) return;
    if (said.startsWith('free ')) quietly('a name could not be freed', () => free(host, said));
    else if (said === 'left') settling.left(host);
    else if (said === 'held' || !known.has(host)) void learn(host);
  });
  // At every connect, of whichever is the last: Redis may be another one, or may have lost
  // everything.
  for (const connection of [redis, subscriber]) {
    connection.on('ready', () => {
      if (redis.status === 'ready' && subscriber.status === 'ready')
        quietly('hosts could not be asked', start);
    });
  }
  const looking = setInterval(() => quietly('the epoch could not be read', look), epochInterval);
  const sweeping = setInterval(() => {
    sweepDirectory(redis).catch((error: Error) =>
      log.warn({ reason: error.message }, 'the directory could not be swept'),
    );
  }, sweepInterval);
  return {
    settled: settling.settled,
    epoch: () => epoch,
    look,
    close() {
      settling.close();
      stop.abort();
      clearInterval(looking);
      clearInterval(sweeping);
    },
  };
}

/** Reads what a host holds, again and again where that fails. */
function readingAgain(signal: AbortSignal, log: Logger, read: (host: string) => Promise<void>) {
  /** Hosts that could not be read; each is to be read again. */
  const unread = new Set<string>();
  return async function learn(host: string, delay = firstRetry): Promise<void> {
    try {
      await read(host);
      unread.delete(host);
    } catch (error) {
      if (signal.aborted || (delay === firstRetry && unread.has(host))) return;
      const { message: reason } = error as Error;
      if (!unread.has(host)) log.warn({ host, reason }, 'what a host holds cannot be read; trying again');
      unread.add(host);
      pause(delay, signal).then(
        () => learn(host, Math.min(2 * delay, lastRetry)),
        () => undefined,
      );
    }
  };
}

/** Takes a name out of the directory that is no longer on its host. */
async function freeName(redis: Redis, host: string, said: string): Promise<'free' | 'held' | 'busy' | null> {
  const [, what, name] = said.split(' ', 3);
  const [kind, resource] = [z.enum(kinds).safeParse(what), resourceName.safeParse(name)];
  if (!kind.success || !resource.success) return null;
  const entry = await readEntry(redis, kind.data, resource.data);
  return entry?.host === host ? releaseEntry(redis, kind.data, resource.data, entry) : null;
}

/** Enters everything that a host holds into the directory. */
async function learnHost(redis: Redis, host: string, log: Logger): Promise<void> {
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
