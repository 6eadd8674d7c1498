import type { Logger } from 'pino';
import type { RunningApi } from '../../api/start-api.ts';
import { hostLimits, jobLimits, userLimits } from '../../jobs/limits.ts';
import { type Closers, createClosers } from '../../lib/async/closers.ts';
import { listen } from '../../lib/http/listen.ts';
import { createMetricsServer } from '../../lib/metrics/exposition.ts';
import type { RedisAccess } from '../../queue/api-queue.ts';
import { type Config, lifetimesOf } from '../options/config.ts';
import type { Role } from '../options/options.ts';
import { version } from '../version.ts';
import { leaveNoCoreFile } from './process-hardening.ts';
import { redisAccess } from './redis-access.ts';
import { openTokenParts, type TokenParts } from './token-services.ts';

/** Milliseconds for requests and jobs to finish after SIGTERM. */
const requestGrace = 5_000;
const jobGrace = 15_000;

const day = 24 * 60 * 60;

/**
 * Opens a role. The closers that it returns close everything in reverse order. Each role loads only
 * the modules that it needs: an api loads no Docker client, a worker no Express. `onFatal` is
 * called when the role must stop.
 */
export async function openRole(
  role: Role,
  config: Config,
  onFatal: (error: Error) => void,
  log: Logger,
): Promise<Closers> {
  const closers = createClosers();
  try {
    if (!(await leaveNoCoreFile())) log.warn('core files cannot be turned off: prlimit failed');
    const tokens = await openTokenParts(config, log, closers);
    const redis = await redisAccess(config.redis ?? (await privateRedis(config, log, closers)), config);
    if (config.redis !== null) {
      const { preflight } = await import('../../queue/redis/preflight.ts');
      await preflight(redis, log);
    }
    if (config.metricsListen !== null) await serveMetrics(config.metricsListen, log, closers);
    if (role !== 'api') {
      const { openWorker } = await import('../../worker/open-worker.ts');
      const worker = await openWorker({
        ...config,
        ...shared(config),
        ...tokens,
        redis,
        limits: hostLimits.parse(config),
        journalSeconds: journalSeconds(config),
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
    if (role !== 'worker') {
      const expected = role === 'daemon' ? [config.host] : [];
      const api = await openApi({ config, redis, tokens, expected, log, closers });
      log.info({ url: api.url }, 'api listens');
    }
    return closers;
  } catch (error) {
    await closers.close();
    throw error;
  }
}

async function serveMetrics(
  address: NonNullable<Config['metricsListen']>,
  log: Logger,
  closers: Closers,
): Promise<void> {
  const server = createMetricsServer();
  log.info({ address: await listen(server, address, log) }, 'metrics are served');
  closers.push(async () => {
    server.close();
    server.closeAllConnections();
  });
}

/**
 * The address from which the worker sends streams. In a daemon only its own api reads them, by
 * loopback. Elsewhere a default address could belong to another program on the api's machine.
 */
function streamPlace(role: Role, { stream, streamListen }: Config) {
  if (stream === 'relay') return null;
  return streamListen ?? (role === 'daemon' ? { host: '127.0.0.1', port: 0 } : null);
}

const shared = ({ dedupeDays }: Config) => ({ keepSeconds: dedupeDays * day, version });

/**
 * Seconds for which the journal keeps a job: a job written into Redis a second time is found there
 * as long as its token could be valid.
 */
function journalSeconds(config: Config): number {
  const { change, read } = lifetimesOf(config);
  return shared(config).keepSeconds + Math.max(change, read);
}

async function privateRedis({ base }: Config, log: Logger, closers: Closers): Promise<string> {
  const { openPrivateRedis } = await import('../../queue/private-redis/private-redis.ts');
  const redis = await openPrivateRedis(base, log);
  closers.push(redis.close);
  return redis.url;
}

interface ApiOptions {
  config: Config;
  redis: RedisAccess;
  tokens: TokenParts;
  /** Hosts that must report before the api relies on a new Redis. */
  expected: readonly string[];
  log: Logger;
  closers: Closers;
}

async function openApi({ config, redis, tokens, expected, log, closers }: ApiOptions): Promise<RunningApi> {
  const [{ openApiQueue }, { startApi }] = await Promise.all([
    import('../../queue/api-queue.ts'),
    import('../../api/start-api.ts'),
  ]);
  const { keepSeconds } = shared(config);
  const queue = openApiQueue({ redis, limits: jobLimits.parse(config), keepSeconds, expected, log });
  closers.push(queue.close);
  const api = await startApi(
    { ...tokens, queue, version, limits: userLimits.parse(config), transport: config.stream, log },
    config.listen,
  );
  closers.push(() => api.close(requestGrace));
  return api;
}
