import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';

export interface TestRedis {
  url: string;
  /** A connection for looking at what is in it. */
  redis: Redis;
  pid: number;
  close(): Promise<void>;
}

/** A real redis-server of the test's own, on a socket. */
export async function openTestRedis(): Promise<TestRedis> {
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
  ];
  const server: ChildProcess = spawn('redis-server', args, { stdio: 'ignore' });
  const redis = new Redis({ path: socket, maxRetriesPerRequest: null, retryStrategy: () => 20 });
  redis.on('error', () => undefined);
  await redis.ping();
  return {
    url: `unix:${socket}`,
    redis,
    pid: server.pid ?? 0,
    async close() {
      redis.disconnect();
      if (server.exitCode === null && server.signalCode === null) {
        const exited = once(server, 'exit');
        server.kill('SIGKILL');
        await exited;
      }
      await rm(directory, { recursive: true });
    },
  };
}
