import pino from 'pino';
import { type RedisAccess, readingConnection } from './connection.ts';
import { serversOf } from './topology/cluster.ts';

/** Timeout for Redis, in milliseconds. */
const deadline = 5_000;

/**
 * Creates or recreates a user from a line of an ACL file; in a Cluster on every node. Returns
 * whether the user survives a restart, which takes a Redis with an ACL file. Throws when Redis is
 * unreachable or we may not create users.
 */
export async function makeUser(admin: RedisAccess, line: string): Promise<boolean> {
  const redis = readingConnection(admin, pino({ level: 'silent' }));
  const timer = setTimeout(() => redis.disconnect(), deadline);
  try {
    // Rules in brackets are one argument each; the first word is "user".
    const [, name = '', ...rules] = line.match(/\([^)]*\)|\S+/g) ?? [];
    await redis.ping(); // From then on a Cluster's nodes are known.
    const servers = serversOf(redis, 'all');
    for (const server of servers) await server.call('ACL', ['SETUSER', name, 'reset', ...rules]);
    const saved = await Promise.allSettled(servers.map((server) => server.call('ACL', ['SAVE'])));
    return saved.every(({ status }) => status === 'fulfilled');
  } finally {
    clearTimeout(timer);
    redis.disconnect();
  }
}
