import { type ClusterOptions, Redis, type RedisOptions } from 'ioredis';
import type { Logger } from 'pino';
import { defineScripts } from '../scripts/run-script.ts';
import { type ManyAddresses, parseAddresses, speaksTls } from './redis-url.ts';
import { openCluster } from './topology/cluster.ts';
import { FailoverConnector } from './topology/sentinel-connector.ts';

/** The address of Redis, and our login there. */
export interface RedisAccess {
  /**
   * `redis://`, `rediss://` or `unix:/path/to/socket`; with several addresses `redis+sentinel://`
   * or `redis+cluster://`, with TLS `rediss+…`. May contain a user and a password.
   */
  url: string;
  username?: string | undefined;
  password?: string | undefined;
  /** PEM texts: the trusted certificates, and our own certificate and key. */
  tls?: { ca?: string; cert?: string; key?: string } | undefined;
}

/** Timeout for a command of an api, in milliseconds. */
export const commandTimeout = 1_800;
/**
 * Milliseconds of silence after which the other end of a stream counts as gone, and for a sender
 * also Redis. A burst of logs that keeps all processors busy can stall a process for five seconds.
 */
export const maxStreamSilence = 10_000;

/**
 * Milliseconds without an answer after which a patient connection is replaced: the server may have
 * lost its power, and another one may answer under its name. Longer than any blocking read.
 */
const silenceTimeout = 15_000;

type Retry = (times: number) => number | null;

/** How a connection behaves while Redis is offline. */
interface ConnectionPolicy {
  options: Omit<RedisOptions, 'replyMapping'>;
  /** The same for a Cluster, where one server may be offline while the others are not. */
  ofCluster: ClusterOptions;
  retry: Retry;
}

/** Whether a server reports that it is not, or no longer, a master. */
const isDemoted = (error: Error) => error.message.startsWith('READONLY');

// Often enough to notice at once that Redis is back, rarely enough not to be a load.
const again: Retry = (times) => Math.min(50 * times, 500);

/**
 * A connection that fails fast, for answers to clients: while Redis is offline it rejects every
 * command at once and keeps nothing to send later.
 */
export function failFastConnection(access: RedisAccess, log: Logger): Redis {
  return connect(access, log, failingFast(commandTimeout, { enableAutoPipelining: true }));
}

/**
 * A connection for sending streams: a stream that cannot go on breaks off and is not kept. Sends
 * large values one by one, because gathering commands copies them.
 */
export function sendingConnection(access: RedisAccess, log: Logger): Redis {
  return connect(access, log, failingFast(maxStreamSilence));
}

/**
 * Milliseconds between the replacement of a silent connection and the timeout of its commands. Its
 * last answer may have come that long after they were sent. Without it, commands that ioredis holds
 * back behind them (enableAutoPipelining) would go out on that connection, and take twice the time.
 */
const replacedBefore = 300;

/** `timeout`: milliseconds for each command. */
const failingFast = (timeout: number, options: ConnectionPolicy['options'] = {}): ConnectionPolicy => ({
  options: {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 1,
    autoResendUnfulfilledCommands: false,
    connectTimeout: commandTimeout,
    commandTimeout: timeout,
    socketTimeout: timeout - replacedBefore,
    ...options,
  },
  ofCluster: { enableOfflineQueue: false, retryDelayOnFailover: 0, retryDelayOnClusterDown: 0 },
  retry: again,
});

/** A connection that waits for Redis to come back, for workers, subscribers and blocking reads. */
export function patientConnection(access: RedisAccess, log: Logger): Redis {
  return connect(access, log, {
    options: {
      maxRetriesPerRequest: null,
      socketTimeout: silenceTimeout,
      reconnectOnError: (error) => (isDemoted(error) ? 2 : false),
    },
    ofCluster: { maxRedirections: Number.POSITIVE_INFINITY },
    retry: again,
  });
}

/** A connection for one blocking read after another; fails for good when Redis goes offline. */
export function readingConnection(access: RedisAccess, log: Logger): Redis {
  return connect(access, log, {
    options: { maxRetriesPerRequest: 0, connectTimeout: commandTimeout, socketTimeout: silenceTimeout },
    ofCluster: { retryDelayOnFailover: 0, retryDelayOnClusterDown: 0 },
    retry: () => null,
  });
}

function connect(access: RedisAccess, log: Logger, policy: ConnectionPolicy): Redis {
  const redis = open(access, policy);
  defineScripts(redis);
  let said = '';
  redis.on('error', (error: Error) => {
    if (error.message !== said) log.warn({ reason: error.message }, 'Redis cannot be reached');
    said = error.message;
  });
  redis.on('ready', () => {
    if (said) log.info('Redis is back');
    said = '';
  });
  return redis;
}

function open(
  { url, username, password, tls }: RedisAccess,
  { options, ofCluster, retry }: ConnectionPolicy,
): Redis {
  const common: ConnectionPolicy['options'] = {
    ...options,
    keepAlive: 10_000,
    // The name of our library is private, and rules for Redis 7.0 cannot permit sending it.
    disableClientInfo: true,
  };
  if (username !== undefined) common.username = username;
  if (password !== undefined) common.password = password;
  if (tls !== undefined && speaksTls(url)) common.tls = tls;
  const many = parseAddresses(url);
  if (many?.kind === 'sentinel') return openSentinel(many, common, retry);
  if (many?.kind === 'cluster') {
    const redisOptions = { ...many.login, ...(many.tls && { tls: {} }), ...common };
    // ioredis does not know which keys share a slot: commands that it gathers for a Cluster fail
    // together.
    redisOptions.enableAutoPipelining = false;
    return openCluster(many, { ...ofCluster, clusterRetryStrategy: retry, redisOptions });
  }
  common.retryStrategy = retry;
  return url.startsWith('unix:')
    ? new Redis({ ...common, path: url.slice('unix:'.length) })
    : new Redis(url, common);
}

/**
 * Asks the Sentinels for the master of a name at every connect. The login in the options is for
 * Redis; a login in the URL is then for the Sentinels, otherwise for Redis.
 */
function openSentinel(many: ManyAddresses, common: ConnectionPolicy['options'], retry: Retry): Redis {
  const { addresses, master, database } = many;
  const { username, password } = many.login;
  const forSentinels = common.username !== undefined || common.password !== undefined;
  const login = forSentinels
    ? { ...(username && { sentinelUsername: username }), ...(password && { sentinelPassword: password }) }
    : many.login;
  const ofTls = { tls: common.tls ?? {}, sentinelTLS: common.tls ?? {}, enableTLSForSentinelMode: true };
  return new Redis({
    ...common,
    ...login,
    ...(many.tls && ofTls),
    Connector: FailoverConnector as RedisOptions['Connector'],
    sentinels: addresses,
    name: master,
    db: database,
    connectTimeout: commandTimeout,
    sentinelCommandTimeout: commandTimeout,
    retryStrategy: retry,
    sentinelRetryStrategy: retry,
    // Leaves a master at once that hangs or has silently become a replica.
    failoverDetector: true,
    reconnectOnError: common.reconnectOnError ?? isDemoted,
  });
}
