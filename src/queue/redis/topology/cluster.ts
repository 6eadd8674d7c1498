import { Cluster, type ClusterOptions, type Redis } from 'ioredis';
import type { ManyAddresses } from '../redis-url.ts';

type Options = Omit<ClusterOptions, 'redisOptions'> & {
  redisOptions: Omit<NonNullable<ClusterOptions['redisOptions']>, 'replyMapping'>;
};

/**
 * Milliseconds between two refreshes of the slot map. They find a node that is back before a
 * command needs it.
 */
const lookInterval = 2_000;

/**
 * A Redis Cluster as the rest of the queue sees any Redis. ioredis gives it the same commands but
 * no common type; the other members we use (`status`, events, `defineCommand`, `disconnect`) exist
 * as well. This makes up for these differences:
 *
 * - ioredis emits `ready` once for the Cluster. This emits it again whenever every master is
 *   connected again: one of them may have been offline and lost everything, which listeners must
 *   handle.
 * - ioredis connects to a node when a command first needs it. This connects at once, so that no
 *   client is the first to need an offline node.
 * - Transactions wait for the first connect even when nothing else does.
 */
export function openCluster({ addresses, tls }: ManyAddresses, options: Options): Redis {
  const cluster = new Cluster(addresses, {
    ...options,
    slotsRefreshInterval: lookInterval,
    // A certificate is for a name, not for the address behind it.
    ...(tls && {
      dnsLookup: (name: string, found: (error: null, name: string) => void) => found(null, name),
    }),
  });
  const masters = () => cluster.nodes('master');
  const connectAll = () => {
    if (cluster.status !== 'ready') return; // Until then ioredis needs them unchanged.
    for (const node of masters()) {
      if (node.status === 'wait') node.connect().catch(() => undefined); // A later look finds it.
    }
  };
  cluster.on('ready', connectAll);
  cluster.on('+node', (node: Redis) => {
    node.on('ready', () => {
      if (cluster.status === 'ready' && masters().every(({ status }) => status === 'ready'))
        cluster.emit('ready');
    });
    process.nextTick(connectAll); // Only after ioredis has sent the command that found it.
  });
  if (options.enableOfflineQueue === false) {
    cluster.delayUntilReady = (tell) => process.nextTick(tell, new Error('Connection is closed.'));
  }
  return cluster as unknown as Redis;
}

/**
 * The servers behind a ready connection: the masters of a Cluster, all its nodes, or the single
 * server. A command without a key must go to each of them.
 */
export function serversOf(redis: Redis, role: 'master' | 'all'): Redis[] {
  return redis.isCluster ? (redis as unknown as Cluster).nodes(role) : [redis];
}
