import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { defineScripts } from '../../src/queue/scripts/run-script.ts';

export interface TestRedis {
  url: string;
  /** A connection for looking at what is in it. */
  redis: Redis;
  pid: number;
  /** kill -9, and started again with nothing in it. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** A real redis-server of the test's own, on a socket. */
export async function openTestRedis(options: string[] = []): Promise<TestRedis> {
  const directory = await mkdtemp(join(tmpdir(), 'geard-redis-'));
  const socket = join(directory, 's');
  const args = [
    '--port',
    '0',
    '--unixsocket',
    socket,
    '--dir',
    directory,
    '--save',
    '',
    '--loglevel',
    'warning',
    ...options,
  ];
  const start = (): ChildProcess => spawn('redis-server', args, { stdio: 'ignore' });
  let server = start();
  const redis = new Redis({ path: socket, maxRetriesPerRequest: null, retryStrategy: () => 20 });
  defineScripts(redis);
  redis.on('error', () => undefined);
  await redis.ping();
  const end = async () => {
    if (server.exitCode !== null || server.signalCode !== null) return;
    const exited = once(server, 'exit');
    server.kill('SIGKILL');
    await exited;
  };
  return {
    url: `unix:${socket}`,
    redis,
    get pid() {
      return server.pid ?? 0;
    },
    async restart() {
      await end();
      server = start();
      await redis.ping();
    },
    async close() {
      redis.disconnect();
      await end();
      await rm(directory, { recursive: true });
    },
  };
}
