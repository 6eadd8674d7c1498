import { Cluster, type ClusterOptions, type Redis } from 'ioredis';
import type { ManyAddresses } from './redis-url.ts';

type Options = Omit<ClusterOptions, 'redisOptions'> & {
  redisOptions: Omit<NonNullable<ClusterOptions['redisOptions']>, 'replyMapping'>;
};

/**
 * Milliseconds between two looks at which node has what: one that is back is found without being
 * asked for.
 */
const lookInterval = 2_000;

/**
 * A Redis Cluster as the rest of the queue sees any Redis. ioredis gives it the same commands but
 * no common type; what we use besides (`status`, events, `defineCommand`, `disconnect`) is there as
 * well. Differences that this makes up for:
 *
 * - `ready` tells of the Cluster once. Here it is told again whenever every master is connected
 *   again: one of them may
 *   have been away and may have lost everything, which whoever listens has to see to.
 * - Nodes are connected when they are first needed. Here they are at once, so that the first to
 *   need one that is away is
 *   not a client.
 * - Transactions wait for the first connect even where nothing else does.
 */
export function openCluster({ addresses, tls }: ManyAddresses, options: Options): Redis {
  const cluster = new Cluster(addresses, {
    ...options,
    slotsRefreshInterval: lookInterval,
    // A certificate is for a name and not for the address that it stands for.
    ...(tls && {
      dnsLookup: (name: string, found: (error: null, name: string) => void) => found(null, name),
    }),
  });
  const masters = () => cluster.nodes('master');
  const connectAll = () => {
    if (cluster.status !== 'ready') return; // Until then ioredis needs them as they are.
    for (const node of masters()) {
      if (node.status === 'wait') node.connect().catch(() => undefined); // It is looked for again.
    }
  };
  cluster.on('ready', connectAll);
  cluster.on('+node', (node: Redis) => {
    node.on('ready', () => {
      if (cluster.status === 'ready' && masters().every(({ status }) => status === 'ready'))
        cluster.emit('ready');
    });
    process.nextTick(connectAll); // Not before ioredis has sent the command that it was found for.
  });
  if (options.enableOfflineQueue === false) {
    cluster.delayUntilReady = (tell) => process.nextTick(tell, new Error('Connection is closed.'));
  }
  return cluster as unknown as Redis;
}

/**
 * The servers behind a connection that is ready: the masters of a Cluster, or all its nodes, or the
 * one there is. What is no key has to be told to each of them.
 */
export function serversOf(redis: Redis, role: 'master' | 'all'): Redis[] {
  return redis.isCluster ? (redis as unknown as Cluster).nodes(role) : [redis];
}
