import type { Redis } from 'ioredis';
import pino from 'pino';
import { type RedisAccess, readingConnection } from './connection.ts';
import { withoutLogin } from './redis-url.ts';
import { serversOf } from './topology/cluster.ts';

/** Timeout for Redis, in milliseconds. */
const deadline = 5_000;

/**
 * Creates a user from a line of an ACL file; in a Cluster on every node. Returns null when the user
 * survives a restart, otherwise Redis's reason why it does not. Throws when there is such a user,
 * Redis is unreachable or we may not create users.
 */
export async function makeUser(admin: RedisAccess, line: string): Promise<string | null> {
  const redis = readingConnection(admin, pino({ level: 'silent' }));
  // A command that is lost is rejected without the reason; the connection's first error has it.
  let reason: Error | undefined;
  redis.on('error', (error: Error) => {
    reason ??= error;
  });
  const timer = setTimeout(() => {
    reason ??= new Error(`no answer within ${deadline / 1000} s`);
    redis.disconnect();
  }, deadline);
  try {
    await redis.ping(); // From then on a Cluster's nodes are known.
    return await makeOnEach(serversOf(redis, 'all'), line);
  } catch (error) {
    const message = describe(reason ?? (error as Error));
    throw new Error(`${withoutLogin(admin.url)}: ${message}`, { cause: error });
  } finally {
    clearTimeout(timer);
    redis.disconnect();
  }
}

async function makeOnEach(servers: readonly Redis[], line: string): Promise<string | null> {
  // Rules in brackets are one argument each; the first word is "user".
  const [, name = '', ...rules] = line.match(/\([^)]*\)|\S+/g) ?? [];
  for (const server of servers) {
    if ((await server.call('ACL', ['GETUSER', name])) !== null)
      // With a new password the host that uses the old one would lose Redis.
      throw new Error(
        `the user ${name} exists, and a live host may use it; to add the host again first ACL DELUSER ${name}`,
      );
  }
  for (const server of servers) await server.call('ACL', ['SETUSER', name, 'reset', ...rules]);
  const saved = await Promise.allSettled(servers.map((server) => server.call('ACL', ['SAVE'])));
  const failed = saved.find((one) => one.status === 'rejected');
  return failed ? (failed.reason as Error).message : null;
}

/** The message of an error; that of a Cluster has what its last node said apart. */
const describe = ({ message, lastNodeError }: Error & { lastNodeError?: Error | null }) =>
  lastNodeError ? `${message} ${lastNodeError.message}` : message;
