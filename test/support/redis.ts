import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { defineScripts } from '../../src/queue/scripts/run-script.ts';
import { redisOfMachine, removeData, startRedis } from './redis-server.ts';

export interface TestRedis {
  url: string;
  /** A connection for looking at what is in it. */
  redis: Redis;
  pid: number;
  /** kill -9, and started again with nothing in it. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** A real Redis of the test's own, on a socket. */
export async function openTestRedis(options: string[] = [], program = redisOfMachine): Promise<TestRedis> {
  const directory = await mkdtemp(join(tmpdir(), 'geard-redis-'));
  const socket = join(directory, 's');
  const data = join(directory, 'data');
  const server = await startRedis(program, data, ['--port', '0', '--unixsocket', socket, ...options]);
  const redis = new Redis({ path: socket, maxRetriesPerRequest: null, retryStrategy: () => 20 });
  defineScripts(redis);
  redis.on('error', () => undefined);
  await redis.ping();
  return {
    url: `unix:${socket}`,
    redis,
    get pid() {
      return server.pid;
    },
    async restart() {
      await server.kill();
      await removeData(data);
      await server.start();
      await redis.ping();
    },
    async close() {
      redis.disconnect();
      await server.kill();
      await removeData(directory);
    },
  };
}

/** How often Redis was sent a command since it was started. */
export async function timesSent({ redis }: TestRedis, command: string): Promise<number> {
  const stats = await redis.info('commandstats');
  return Number(new RegExp(`^cmdstat_${command}:calls=(\\d+)`, 'm').exec(stats)?.[1] ?? 0);
}
