import { Redis, type RedisOptions } from 'ioredis';
import type { Logger } from 'pino';
import { Failure } from '../jobs/errors.ts';
import { defineScripts } from './scripts/run-script.ts';

type Options = Omit<RedisOptions, 'replyMapping'>;

/** Where Redis is, and who we are there. */
export interface RedisAccess {
  /** `redis://`, `rediss://` or `unix:/path/to/socket`; may hold a user and a password. */
  url: string;
  username?: string | undefined;
  password?: string | undefined;
  /** PEM texts: whose certificates are trusted, and our own. */
  tls?: { ca?: string; cert?: string; key?: string } | undefined;
}

/** Milliseconds after which a command of a front door is given up. */
export const commandTimeout = 1_800;

// Soon enough that a Redis which is back is noticed at once, seldom enough not to be a load.
const retryStrategy = (times: number) => Math.min(50 * times, 500);

/**
 * A connection that fails fast, for what answers a client: while Redis is away every command is refused at once
 * and nothing is kept to be sent later. Large values are better sent one by one: gathering commands copies them.
 */
export function failFastConnection(access: RedisAccess, log: Logger, enableAutoPipelining = true): Redis {
  return connect(access, log, {
    enableOfflineQueue: false,
    enableAutoPipelining,
    maxRetriesPerRequest: 1,
    autoResendUnfulfilledCommands: false,
    commandTimeout,
    connectTimeout: commandTimeout,
  });
}

/** A connection that waits for Redis to come back, for workers, subscribers and blocking reads. */
export function patientConnection(access: RedisAccess, log: Logger): Redis {
  return connect(access, log, { maxRetriesPerRequest: null });
}

/** A connection for one blocking read after another, which fails for good when Redis goes away. */
export function readingConnection(access: RedisAccess, log: Logger): Redis {
  return connect(access, log, { maxRetriesPerRequest: 0, connectTimeout: commandTimeout }, () => null);
}

function connect(
  { url, username, password, tls }: RedisAccess,
  log: Logger,
  options: Options,
  retry: (times: number) => number | null = retryStrategy,
): Redis {
  // What library we use is nobody's business, and rules for Redis 7.0 cannot allow to say it.
  const common: Options = {
    ...options,
    retryStrategy: retry,
    keepAlive: 10_000,
    disableClientInfo: true,
  };
  if (username !== undefined) common.username = username;
  if (password !== undefined) common.password = password;
  if (tls !== undefined && url.startsWith('rediss:')) common.tls = tls;
  const redis = url.startsWith('unix:')
    ? new Redis({ ...common, path: url.slice('unix:'.length) })
    : new Redis(url, common);
  defineScripts(redis);
  let said = '';
  redis.on('error', (error: Error) => {
    if (error.message !== said) log.warn({ reason: error.message }, 'redis cannot be reached');
    said = error.message;
  });
  redis.on('ready', () => {
    if (said) log.info('redis is back');
    said = '';
  });
  return redis;
}

const signsOfAbsence =
  /ECONN|ENOENT|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENOTFOUND|Connection is closed|isn't writeable|Command timed out|max retries|^(LOADING|READONLY|MASTERDOWN|OOM|MISCONF|NOAUTH|WRONGPASS|NOPERM|CLUSTERDOWN)/i;

/** The failure to tell a client when an error means that Redis cannot be reached or cannot take writes; else null. */
export function asQueueFailure(error: unknown): Failure | null {
  if (!(error instanceof Error) || error instanceof Failure) return null;
  if (!signsOfAbsence.test(error.message) && error.name !== 'MaxRetriesPerRequestError') return null;
  return new Failure(
    'queue_unavailable',
    'the queue cannot be reached; send the request again a little later',
    {
      cause: error,
    },
  );
}
