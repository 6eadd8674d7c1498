import type { Logger } from 'pino';
import type { RunningApi } from '../api/start-api.ts';
import { type Closers, createClosers } from '../lib/closers.ts';
import { createVerifier } from '../token/claims.ts';
import type { Config } from './config.ts';
import type { Role } from './options.ts';
import { version } from './version.ts';

/** Milliseconds for requests and jobs to come to their end after SIGTERM. */
const requestGrace = 5_000;
const jobGrace = 15_000;

const day = 24 * 60 * 60;

/**
 * Opens a role. What it returns closes everything again, in reverse order. Each role loads only what it needs: an
 * api carries no Docker client, a worker no Express.
 */
export async function openRole(role: Role, config: Config, log: Logger): Promise<Closers> {
  const closers = createClosers();
  try {
    const redisUrl = config.redis ?? (await privateRedis(config, log, closers));
    if (role !== 'api') {
      const { openWorker } = await import('../worker/open-worker.ts');
      const worker = await openWorker({
        ...config,
        ...shared(config),
        redisUrl,
        concurrency: config.maxJobs,
        streamListen: streamPlace(role, config),
        verifyToken: createVerifier(config),
        cloneLimits: {
          seconds: config.cloneSeconds,
          megabytes: config.cloneMegabytes,
          objects: config.cloneObjects,
        },
        log,
      });
      closers.push(() => worker.close(jobGrace));
      log.info({ host: config.host, base: config.base }, 'worker is ready');
    }
    if (role !== 'worker') {
      const api = await openApi(config, redisUrl, log, closers);
      log.info({ url: api.url }, 'api listens');
    }
    return closers;
  } catch (error) {
    await closers.close();
    throw error;
  }
}

/**
 * Where the worker sends streams from. In a daemon its api is the only one to ask; elsewhere an address that is not
 * named could be one at which an api on another machine finds somebody else.
 */
function streamPlace(role: Role, { stream, streamListen }: Config) {
  if (stream === 'relay') return null;
  return streamListen ?? (role === 'daemon' ? { host: '127.0.0.1', port: 0 } : null);
}

const shared = ({ dedupeDays }: Config) => ({ keepSeconds: dedupeDays * day, version });

async function privateRedis({ base }: Config, log: Logger, closers: Closers): Promise<string> {
  const { openPrivateRedis } = await import('../queue/private-redis.ts');
  const redis = await openPrivateRedis(base, log);
  closers.push(redis.close);
  return redis.url;
}

async function openApi(config: Config, redisUrl: string, log: Logger, closers: Closers): Promise<RunningApi> {
  const [{ openFront }, { startApi }] = await Promise.all([
    import('../queue/open-front.ts'),
    import('../api/start-api.ts'),
  ]);
  const limits = { host: config.maxJobs, line: config.maxJobsPerGear };
  const front = openFront({ redisUrl, limits, keepSeconds: shared(config).keepSeconds, log });
  closers.push(front.close);
  const api = await startApi(
    { front, verifyToken: createVerifier(config), version, transport: config.stream, log },
    config.listen,
  );
  closers.push(() => api.close(requestGrace));
  return api;
}
