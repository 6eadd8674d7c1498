import { once } from 'node:events';
import type { Redis } from 'ioredis';
import type { Logger } from 'pino';
import { pause } from '../../lib/async/pause.ts';
import { serversOf } from './cluster.ts';
import { failFastConnection, type RedisAccess } from './connection.ts';

/** Milliseconds for which the start of a role waits for a Redis that may be away. */
const patience = 3_000;

const oldest = [6, 2] as const;

/** A Redis that would lose jobs; each line says what is wrong with it and what mends it. */
export class UnfitRedis extends Error {
  constructor(faults: string[]) {
    super(faults.join('\n'));
    this.name = 'UnfitRedis';
  }
}

/**
 * Looks whether a Redis keeps what it is given, before a role begins. Rejects with `UnfitRedis`
 * where it does not; where it is away, or may not be asked, that is told in the log only:
 * `watchFitness` looks again when it is there.
 */
export async function preflight(access: RedisAccess, log: Logger): Promise<void> {
  const redis = failFastConnection(access, log.child({}, { level: 'silent' }));
  let faults: string[];
  try {
    await untilConnected(redis);
    faults = await faultsOf(redis);
  } catch (error) {
    log.warn({ reason: (error as Error).message }, 'redis could not be asked yet whether it keeps jobs');
    return;
  } finally {
    redis.disconnect();
  }
  if (faults.length > 0) throw new UnfitRedis(faults);
}

/** Tells in the log, at every connect, what makes this Redis lose jobs. */
export function watchFitness(redis: Redis, log: Logger): void {
  redis.on('ready', () => {
    faultsOf(redis).then(
      (faults) => {
        for (const fault of faults) log.error(fault);
      },
      (error: Error) =>
        log.debug({ reason: error.message }, 'redis could not be asked whether it keeps jobs'),
    );
  });
}

/** Rejects at the first sign that Redis cannot be reached. */
async function untilConnected(redis: Redis): Promise<void> {
  const over = new AbortController();
  const { signal } = over;
  try {
    await Promise.race([
      once(redis, 'ready', { signal }), // Rejects where `error` comes first.
      once(redis, 'close', { signal }).then(() => Promise.reject(new Error('Connection is closed.'))),
      pause(patience, signal).then(() => Promise.reject(new Error('it takes too long'))),
    ]);
  } finally {
    over.abort();
  }
}

async function faultsOf(redis: Redis): Promise<string[]> {
  const masters = serversOf(redis, 'master');
  const all = await Promise.all(
    masters.map(async (master) => {
      const { host, port } = master.options;
      return faultsIn(await master.info(), redis.isCluster ? `the Redis at ${host}:${port}` : 'this Redis');
    }),
  );
  return all.flat();
}

/** What INFO says that loses jobs, as sentences about `which`. */
export function faultsIn(info: string, which: string): string[] {
  const says = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1];
  const faults: string[] = [];
  const version = says('redis_version') ?? '';
  if (isTooOld(version))
    faults.push(
      `${which} is of version ${version}: geard needs Redis ${oldest.join('.')} or later, or Valkey`,
    );
  const policy = says('maxmemory_policy') ?? 'noeviction';
  if (policy !== 'noeviction')
    faults.push(
      `${which} evicts jobs when memory is short (maxmemory-policy ${policy}): ` +
        'CONFIG SET maxmemory-policy noeviction, and the line "maxmemory-policy noeviction" in redis.conf',
    );
  if (says('aof_enabled') === '0')
    faults.push(
      `${which} does not keep jobs over a restart (appendonly no): ` +
        'CONFIG SET appendonly yes, and the line "appendonly yes" in redis.conf',
    );
  return faults;
}

function isTooOld(version: string): boolean {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(version) ?? [];
  if (major === undefined) return false;
  return Number(major) < oldest[0] || (Number(major) === oldest[0] && Number(minor) < oldest[1]);
}
