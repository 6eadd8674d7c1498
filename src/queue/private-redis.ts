import { once } from 'node:events';
import { access, constants, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import type { Logger } from 'pino';
import { start } from '../lib/exec.ts';
import { pause } from '../lib/pause.ts';

export interface PrivateRedis {
  /** `unix:/path/to/socket`. */
  url: string;
  close(): Promise<void>;
}

const programs = ['valkey-server', 'redis-server'];
const places = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** A path of a Unix socket may be that long, with its end mark (unix(7)). */
const longestSocketPath = 107;
const startDeadline = 30_000;
const stopDeadline = 8_000;

/**
 * The daemon's own Redis, on a socket in a directory that only root may enter, every write on disk before it is
 * acknowledged. It is started again when it ends by itself.
 */
export async function openPrivateRedis(base: string, log: Logger): Promise<PrivateRedis> {
  const directory = join(base, 'redis');
  const socket = join(directory, 'redis.sock');
  if (Buffer.byteLength(socket) > longestSocketPath) {
    throw new Error(
      `--base is too long: ${socket} must have at most ${longestSocketPath} bytes to be a socket`,
    );
  }
  const program = await findProgram();
  await mkdir(base, { recursive: true }); // Others may pass it: only what is in this directory is ours alone.
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await endForerunner(socket, log);

  let closing = false;
  let child = start(program, redisArguments(directory, socket));
  const watch = () => {
    child.once('error', (error) => log.error({ err: error }, 'redis cannot be started'));
    child.once('exit', (code, signal) => {
      if (closing) return;
      log.error({ code, signal }, 'redis ended by itself; starting it again');
      setTimeout(() => {
        if (closing) return;
        child = start(program, redisArguments(directory, socket));
        watch();
      }, 200);
    });
  };
  watch();
  const close = async () => {
    closing = true;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), stopDeadline);
    await exited;
    clearTimeout(timer);
  };
  try {
    await untilAnswering(socket, startDeadline);
  } catch (error) {
    await close();
    throw error;
  }
  return { url: `unix:${socket}`, close };
}

function redisArguments(directory: string, socket: string): string[] {
  const settings = {
    port: '0',
    unixsocket: socket,
    unixsocketperm: '700',
    dir: directory,
    appendonly: 'yes',
    appendfsync: 'always',
    // What a crash has cut off was never acknowledged, so it may be left out.
    'aof-load-truncated': 'yes',
    'maxmemory-policy': 'noeviction',
    save: '',
    daemonize: 'no',
    loglevel: 'warning',
  };
  return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
}

async function findProgram(): Promise<string> {
  for (const program of programs.flatMap((name) => places.map((place) => join(place, name)))) {
    const there = await access(program, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (there) return program;
  }
  throw new Error('neither valkey-server nor redis-server is installed; install one of them or give --redis');
}

/** A daemon that was killed leaves its Redis behind; it is asked to end, with everything on disk. */
async function endForerunner(socket: string, log: Logger): Promise<void> {
  const redis = new Redis({
    path: socket,
    lazyConnect: true,
    retryStrategy: () => null,
    connectTimeout: 1_000,
  });
  redis.on('error', () => undefined);
  try {
    await redis.connect();
  } catch {
    return; // Nobody there, as it should be.
  }
  log.info('ending the redis of a daemon that was killed');
  const gone = once(redis, 'end');
  redis.shutdown('NOSAVE').catch(() => undefined); // The append-only file has everything already.
  await Promise.race([gone, pause(stopDeadline)]);
  redis.disconnect();
}

async function untilAnswering(socket: string, deadline: number): Promise<void> {
  const redis = new Redis({
    path: socket,
    maxRetriesPerRequest: null,
    retryStrategy: () => 20,
    commandTimeout: deadline,
  });
  redis.on('error', () => undefined);
  try {
    await redis.ping();
  } catch (error) {
    throw new Error(`the daemon's own redis did not answer within ${deadline / 1000} s`, { cause: error });
  } finally {
    redis.disconnect();
  }
}
