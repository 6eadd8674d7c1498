import { once } from 'node:events';
import type { Redis } from 'ioredis';
import type { Logger } from 'pino';
import { pause } from '../../lib/async/pause.ts';
import { failFastConnection, type RedisAccess } from './connection.ts';
import { serversOf } from './topology/cluster.ts';

/** Milliseconds that the start of a role waits for an offline Redis. */
const connectTimeout = 3_000;

const oldest = [6, 2] as const;

/** The version and the faults of a Redis, from its INFO. */
export interface Fitness {
  version: string;
  /** Faults that lose jobs; each line names one and its remedy. */
  faults: string[];
}

/**
 * Checks before a role begins whether a Redis keeps its data. Rejects with its faults when it does
 * not. When Redis is offline or refuses to answer, it only logs that: `watchFitness` checks again
 * at the next connect.
 */
export async function preflight(access: RedisAccess, log: Logger): Promise<void> {
  const fitness = await askOnce(access, log, fitnessOf).catch((error: Error) => {
    log.warn({ reason: error.message }, 'could not check yet whether this redis keeps its jobs');
  });
  if (fitness && fitness.faults.length > 0) throw new Error(fitness.faults.join('\n'));
}

/** Queries a Redis over a connection of its own. Rejects at the first sign that it is offline. */
export async function askOnce<T>(
  access: RedisAccess,
  log: Logger,
  ask: (redis: Redis) => Promise<T>,
): Promise<T> {
  const redis = failFastConnection(access, log.child({}, { level: 'silent' }));
  try {
    await untilConnected(redis);
    return await ask(redis);
  } finally {
    redis.disconnect();
  }
}

/** Logs the faults that make this Redis lose jobs, at every connect. */
export function watchFitness(redis: Redis, log: Logger): void {
  redis.on('ready', () => {
    fitnessOf(redis).then(
      ({ faults }) => {
        for (const fault of faults) log.error(fault);
      },
      (error: Error) =>
        log.debug({ reason: error.message }, 'could not check whether this redis keeps its jobs'),
    );
  });
}

/** Rejects at the first sign that Redis cannot be reached. */
async function untilConnected(redis: Redis): Promise<void> {
  const over = new AbortController();
  const { signal } = over;
  await Promise.race([
    once(redis, 'ready', { signal }), // Rejects when `error` comes first.
    once(redis, 'close', { signal }).then(() => Promise.reject(new Error('Connection is closed.'))),
    pause(connectTimeout, signal).then(() => Promise.reject(new Error('it takes too long'))),
  ]).finally(() => over.abort());
}

export async function fitnessOf(redis: Redis): Promise<Fitness> {
  const masters = serversOf(redis, 'master');
  const all = await Promise.all(
    masters.map(async (master) => {
      const { host, port } = master.options;
      const info = await master.info();
      const faults = faultsIn(info, redis.isCluster ? `the Redis at ${host}:${port}` : 'this Redis');
      return { version: said(info, 'redis_version') ?? 'unknown', faults };
    }),
  );
  const versions = new Set(all.map(({ version }) => version));
  return { version: [...versions].join(', '), faults: all.flatMap(({ faults }) => faults) };
}

/** The faults in INFO that lose jobs, as sentences about `which`. */
export function faultsIn(info: string, which: string): string[] {
  const says = (name: string) => said(info, name);
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

const said = (info: string, name: string) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1];

function isTooOld(version: string): boolean {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(version) ?? [];
  if (major === undefined) return false;
  return Number(major) < oldest[0] || (Number(major) === oldest[0] && Number(minor) < oldest[1]);
}
