import type { Logger } from 'pino';
import { hostLimits, jobLimits, userLimits } from '../../jobs/limits.ts';
import type { Closers } from '../../lib/async/closers.ts';
import { listen } from '../../lib/http/listen.ts';
import { createMetricsServer } from '../../lib/metrics/exposition.ts';
import type { RedisAccess } from '../../queue/api-queue.ts';
import { type Config, lifetimesOf } from '../options/config.ts';
import type { Role } from '../options/options.ts';
import { version } from '../version.ts';
import { leaveNoCoreFile } from './process-hardening.ts';
import { redisAccess } from './redis-access.ts';
import { openTokenParts } from './token-services.ts';

/** Milliseconds for requests and jobs to finish after SIGTERM. */
const requestGrace = 5_000;
const jobGrace = 15_000;

const day = 24 * 60 * 60;

/**
 * Opens a role. The closers close everything in reverse order. Each role loads only the modules
 * that it needs: an api loads no Docker client, a worker no Express. `onFatal` is called when the
 * role must stop.
 */
export async function openRole(
  role: Role,
  config: Config,
  onFatal: (error: Error) => void,
  log: Logger,
  closers: Closers,
): Promise<void> {
  try {
    if (!(await leaveNoCoreFile())) log.warn('core files cannot be turned off: prlimit failed');
    const tokens = await openTokenParts(config, log, closers);
    // First of all: a second daemon must not touch the Redis of the first.
    if (role !== 'api') closers.push(await lockBase(config));
    const redis = await redisAccess(config.redis ?? (await privateRedis(config, log, closers)), config);
    if (config.redis !== null) {
      const { preflight } = await import('../../queue/redis/preflight.ts');
      await preflight(redis, log);
    }
    if (config.metricsListen !== null) await serveMetrics(config.metricsListen, log, closers);
    const parts = { role, config, tokens, redis, keepSeconds: config.dedupeDays * day, log, closers };
    if (role !== 'api') await openHost(parts, onFatal);
    if (role !== 'worker') await openApi(parts);
  } catch (error) {
    await closers.abandon(log);
    throw error;
  }
}

/** The inputs of the worker and of the api. */
interface RoleParts {
  role: Role;
  config: Config;
  tokens: Awaited<ReturnType<typeof openTokenParts>>;
  redis: RedisAccess;
  /** Seconds to keep a finished job and its id. */
  keepSeconds: number;
  log: Logger;
  closers: Closers;
}

async function openHost(parts: RoleParts, onFatal: (error: Error) => void): Promise<void> {
  const { role, config, tokens, redis, keepSeconds, log, closers } = parts;
  const { openWorker } = await import('../../worker/open-worker.ts');
  const worker = await openWorker({
    ...config,
    ...tokens,
    version,
    redis,
    limits: hostLimits.parse(config),
    keepSeconds,
    // The journal knows a job that is written into Redis a second time: it keeps jobs as long as
    // their tokens could be valid.
    journalSeconds: keepSeconds + lifetimesOf(config).read,
    streamListen: streamPlace(role, config),
    cloneLimits: {
      seconds: config.cloneSeconds,
      megabytes: config.cloneMegabytes,
      objects: config.cloneObjects,
    },
    onFatal,
    log,
  });
  closers.push(() => worker.close(jobGrace));
  log.info({ host: config.host, base: config.base }, 'worker is ready');
}

async function openApi({ role, config, tokens, redis, keepSeconds, log, closers }: RoleParts): Promise<void> {
  const [{ openApiQueue }, { startApi }] = await Promise.all([
    import('../../queue/api-queue.ts'),
    import('../../api/start-api.ts'),
  ]);
  // These hosts must report before the api relies on a new Redis.
  const expected = role === 'daemon' ? [config.host] : [];
  const queue = openApiQueue({ redis, limits: jobLimits.parse(config), keepSeconds, expected, log });
  closers.push(queue.close);
  const api = await startApi(
    { ...tokens, queue, version, limits: userLimits.parse(config), transport: config.stream, log },
    config.listen,
  );
  closers.push(() => api.close(requestGrace));
  log.info({ url: api.url }, 'api listens');
}

async function serveMetrics(
  place: NonNullable<Config['metricsListen']>,
  log: Logger,
  closers: Closers,
): Promise<void> {
  const server = await listen(createMetricsServer(), place, log);
  log.info({ address: server.address }, 'metrics are served');
  closers.push(() => server.close());
}

/**
 * The address from which the worker sends streams. In a daemon only its own api reads them, by
 * loopback. Elsewhere a default address could belong to another program on the api's machine.
 */
function streamPlace(role: Role, { stream, streamListen }: Config) {
  if (stream === 'relay') return null;
  return streamListen ?? (role === 'daemon' ? { host: '127.0.0.1', port: 0 } : null);
}

/** Rejects when another worker runs with the same base directory. */
async function lockBase({ base }: Config): Promise<() => Promise<void>> {
  const [{ lockHost }, { hostPaths }] = await Promise.all([
    import('../../worker/host/host-lock.ts'),
    import('../../worker/domain/paths.ts'),
  ]);
  return lockHost(base, hostPaths(base).lock);
}

async function privateRedis({ base }: Config, log: Logger, closers: Closers): Promise<string> {
  const { openPrivateRedis } = await import('../../queue/private-redis/private-redis.ts');
  return (await openPrivateRedis(base, log, closers.push)).url;
}
