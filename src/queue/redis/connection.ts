import { type ClusterOptions, Redis, type RedisOptions } from 'ioredis';
import type { Logger } from 'pino';
import { defineScripts } from '../scripts/run-script.ts';
import { openCluster } from './cluster.ts';
import { type ManyAddresses, parseAddresses, speaksTls } from './redis-url.ts';

/** Where Redis is, and who we are there. */
export interface RedisAccess {
  /**
   * `redis://`, `rediss://` or `unix:/path/to/socket`, or with several addresses
   * `redis+sentinel://` or `redis+cluster://`, which with TLS are `rediss+…`; may hold a user and a
   * password.
   */
  url: string;
  username?: string | undefined;
  password?: string | undefined;
  /** PEM texts: whose certificates are trusted, and our own. */
  tls?: { ca?: string; cert?: string; key?: string } | undefined;
}

/** Milliseconds after which a command of an api is given up. */
export const commandTimeout = 1_800;
/**
 * Milliseconds of silence after which the other end of a stream counts as gone, and so does Redis
 * for who sends one. A process gets no processor for five seconds where a burst of logs keeps all
 * of them busy.
 */
export const maxStreamSilence = 10_000;

type Retry = (times: number) => number | null;

/** How a connection takes it when Redis is away. */
interface Manner {
  options: Omit<RedisOptions, 'replyMapping'>;
  /** What says the same to a Cluster; a server of which may be away while the others are not. */
  ofCluster: ClusterOptions;
  retry: Retry;
}

/** Whether a server says that it is no master (any more). */
const isDemoted = (error: Error) => error.message.startsWith('READONLY');

// Soon enough that a Redis which is back is noticed at once, seldom enough not to be a load.
const again: Retry = (times) => Math.min(50 * times, 500);

/**
 * A connection that fails fast, for what answers a client: while Redis is away every command is
 * refused at once and nothing is kept to be sent later.
 */
export function failFastConnection(access: RedisAccess, log: Logger): Redis {
  return connect(access, log, failingFast({ enableAutoPipelining: true, commandTimeout }));
}

/**
 * A connection for sending streams: one that cannot go on is broken off, not kept. Large values are
 * sent one by one, for gathering commands copies them.
 */
export function sendingConnection(access: RedisAccess, log: Logger): Redis {
  return connect(access, log, failingFast({ commandTimeout: maxStreamSilence }));
}

const failingFast = (options: Manner['options']): Manner => ({
  options: {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 1,
    autoResendUnfulfilledCommands: false,
    connectTimeout: commandTimeout,
    ...options,
  },
  ofCluster: { enableOfflineQueue: false, retryDelayOnFailover: 0, retryDelayOnClusterDown: 0 },
  retry: again,
});

/** A connection that waits for Redis to come back, for workers, subscribers and blocking reads. */
export function patientConnection(access: RedisAccess, log: Logger): Redis {
  return connect(access, log, {
    options: { maxRetriesPerRequest: null, reconnectOnError: (error) => (isDemoted(error) ? 2 : false) },
    ofCluster: { maxRedirections: Number.POSITIVE_INFINITY },
    retry: again,
  });
}

/** A connection for one blocking read after another, which fails for good when Redis goes away. */
export function readingConnection(access: RedisAccess, log: Logger): Redis {
  return connect(access, log, {
    options: { maxRetriesPerRequest: 0, connectTimeout: commandTimeout },
    ofCluster: { retryDelayOnFailover: 0, retryDelayOnClusterDown: 0 },
    retry: () => null,
  });
}

function connect(access: RedisAccess, log: Logger, manner: Manner): Redis {
  const redis = open(access, manner);
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

function open({ url, username, password, tls }: RedisAccess, { options, ofCluster, retry }: Manner): Redis {
  const common: Manner['options'] = {
    ...options,
    keepAlive: 10_000,
    // What library we use is nobody's business, and rules for Redis 7.0 cannot allow to say it.
    disableClientInfo: true,
  };
  if (username !== undefined) common.username = username;
  if (password !== undefined) common.password = password;
  if (tls !== undefined && speaksTls(url)) common.tls = tls;
  const many = parseAddresses(url);
  if (many?.kind === 'sentinel') return openSentinel(many, common, retry);
  if (many?.kind === 'cluster') {
    const redisOptions = { ...loginOf(many), ...(many.tls && { tls: {} }), ...common };
    // Whose keys lie in which slot is known to us only: what ioredis gathers for a Cluster fails
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
 * The master of a name as Sentinels know it, asked at every connect. Who we are is told to Redis;
 * where the options say that, a user or a password in the URL is for the Sentinels.
 */
function openSentinel(many: ManyAddresses, common: Manner['options'], retry: Retry): Redis {
  const { addresses, master, database } = many;
  const { username, password } = loginOf(many);
  const forSentinels = common.username !== undefined || common.password !== undefined;
  const login = forSentinels
    ? { ...(username && { sentinelUsername: username }), ...(password && { sentinelPassword: password }) }
    : loginOf(many);
  const ofTls = { tls: common.tls ?? {}, sentinelTLS: common.tls ?? {}, enableTLSForSentinelMode: true };
  return new Redis({
    ...common,
    ...login,
    ...(many.tls && ofTls),
    sentinels: addresses,
    name: master,
    db: database,
    connectTimeout: commandTimeout,
    sentinelCommandTimeout: commandTimeout,
    retryStrategy: retry,
    sentinelRetryStrategy: retry,
    // A master that hangs, or that has become a replica behind our back, is left at once.
    failoverDetector: true,
    reconnectOnError: common.reconnectOnError ?? isDemoted,
  });
}

const loginOf = ({ username, password }: ManyAddresses) => ({
  ...(username && { username }),
  ...(password && { password }),
});
