import { EventEmitter, once } from 'node:events';
import type { Redis } from 'ioredis';
import type { Logger } from 'pino';
import { hostName } from '../jobs/identifier.ts';
import { kinds } from '../jobs/resource.ts';
import { readHeld, releaseName } from './directory.ts';
import { channels, hostOfChannel, keys } from './keys.ts';

export interface HostLearner {
  /** Resolves when a host has been heard of, or after so many milliseconds. */
  heard(milliseconds: number): Promise<void>;
}

/**
 * Keeps the directory, which names the host of each resource, up with what the workers say. A worker may write only
 * about itself; that one name is in two places can be seen only here, and is told in the log.
 */
export function learnHosts(redis: Redis, subscriber: Redis, log: Logger): HostLearner {
  const learned = new EventEmitter();
  const everywhere = channels.here('*');
  const known = new Set<string>();
  const learnQuietly = (host: string) =>
    learn(redis, host, log).then(
      () => learned.emit('host'),
      (error: Error) => log.debug({ host, reason: error.message }, 'what the host holds could not be read'),
    );
  subscriber.on('pmessage', (pattern: string, channel: string, said: string) => {
    const host = hostOfChannel(channel);
    if (pattern !== everywhere || !hostName.safeParse(host).success) return;
    if (known.has(host) && said !== 'held') return;
    known.add(host);
    void learnQuietly(host);
  });
  const start = async () => {
    await subscriber.psubscribe(everywhere);
    known.clear();
    for (const host of await redis.smembers(keys.hosts)) void learnQuietly(host);
    await redis.publish(channels.who, '');
  };
  // At every connect, of whichever is the last: Redis may be another one, or may have lost everything.
  for (const connection of [redis, subscriber]) {
    connection.on('ready', () => {
      if (redis.status !== 'ready' || subscriber.status !== 'ready') return;
      start().catch((error: Error) => log.debug({ reason: error.message }, 'hosts could not be asked'));
    });
  }
  return {
    async heard(milliseconds) {
      await once(learned, 'host', { signal: AbortSignal.timeout(milliseconds) }).catch(() => undefined);
    },
  };
}

async function learn(redis: Redis, host: string, log: Logger): Promise<void> {
  await redis.sadd(keys.hosts, host);
  for (const kind of kinds) {
    const names = await readHeld(redis, host, kind);
    const before = names.length > 0 ? await redis.hmget(keys.holders(kind), ...names) : [];
    for (const [i, name] of names.entries()) {
      const holder = before[i] ?? null;
      if (holder === host) continue;
      if (holder === null || (await releaseName(redis, kind, name, holder))) {
        await redis.hsetnx(keys.holders(kind), name, host);
      } else log.error({ kind, name, hosts: [holder, host] }, 'two hosts hold the same name');
    }
  }
}
