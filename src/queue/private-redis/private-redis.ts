import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { Logger } from 'pino';
import { pause } from '../../lib/async/pause.ts';
import { start, whereIs } from '../../lib/exec.ts';
import { trimUnwritten } from './append-only-file.ts';
import { wasCut, whyItEnded } from './output.ts';

export interface PrivateRedis {
  /** `unix:/path/to/socket`. */
  url: string;
  close(): Promise<void>;
}

const programs = ['valkey-server', 'redis-server'];

/** Maximum length of a Unix socket's path, in bytes, without its terminating NUL (unix(7)). */
const maxSocketPath = 107;
const startDeadline = 30_000;
const stopDeadline = 8_000;
/**
 * Shortest and longest delay before restarting a Redis that ended by itself, in milliseconds; it
 * grows with repeated ends.
 */
const firstRestart = 200;
const lastRestart = 2_000;

/**
 * The daemon's own Redis, on a socket in a directory that only root may enter. It syncs every write
 * to disk before acknowledging it. The daemon restarts it when it ends by itself. `onLaunch`: gets
 * the way to end it as soon as it runs; it may take minutes to load its data.
 */
export async function openPrivateRedis(
  base: string,
  log: Logger,
  onLaunch: (close: PrivateRedis['close']) => void = () => undefined,
): Promise<PrivateRedis> {
  const directory = join(base, 'redis');
  const socket = join(directory, 'redis.sock');
  if (Buffer.byteLength(socket) > maxSocketPath) {
    throw new Error(`--base is too long: ${socket} must have at most ${maxSocketPath} bytes to be a socket`);
  }
  const program = await findProgram();
  await mkdir(base, { recursive: true }); // Others may enter it; only the next one is ours alone.
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await endForerunner(socket, log);
  const wasTrimmed = await trimUnwritten(directory);

  const args = redisArguments(directory, socket);
  const launch = () => launchServer(program, args, directory);
  let closing = false;
  let server = launch();
  /** Restarts it whenever it ends by itself. */
  const keep = async () => {
    for (let delay = firstRestart; ; delay = Math.min(2 * delay, lastRestart)) {
      const started = performance.now();
      const why = await server.ended;
      if (closing) return;
      if (performance.now() - started > 2 * lastRestart) delay = firstRestart;
      log.error({ reason: why }, 'redis ended by itself; starting it again');
      await pause(delay);
      if (closing) return;
      server = launch();
      const { child } = server;
      untilReady(server, socket, log).catch(() => child.kill('SIGKILL'));
    }
  };
  const close = async () => {
    closing = true;
    server.child.kill('SIGTERM');
    const timer = setTimeout(() => server.child.kill('SIGKILL'), stopDeadline);
    await server.ended;
    clearTimeout(timer);
  };
  onLaunch(close);
  try {
    await untilReady(server, socket, log, wasTrimmed);
  } catch (error) {
    await close();
    throw error;
  }
  keep().catch((error: Error) => log.error({ err: error }, 'redis is no longer started again'));
  return { url: `unix:${socket}`, close };
}

interface Server {
  child: ReturnType<typeof start>;
  /** The last lines of its output. */
  said: string[];
  /** Resolves with the reason when it ends. */
  ended: Promise<string>;
}

/**
 * Number of lines to keep, and milliseconds to wait for the last lines of a program that has ended.
 */
const keptLines = 30;
const lastLines = 500;

function launchServer(program: string, args: string[], directory: string): Server {
  const said: string[] = [];
  const child = start(program, args, (line) => {
    said.push(line);
    if (said.length > keptLines) said.shift();
  });
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', async (code, signal) => {
      await Promise.race([once(child, 'close'), pause(lastLines)]);
      resolve(whyItEnded(signal ?? `exit status ${code}`, said, directory));
    });
  });
  return { child, said, ended };
}

/**
 * Waits until a Redis that has just started answers. If it cut its append-only file, rewrites the
 * file first: a cut in the middle of a transaction leaves it open, and at the next start Redis
 * would undo it together with everything written, and acknowledged, after it.
 */
async function untilReady(server: Server, socket: string, log: Logger, wasTrimmed = false): Promise<void> {
  const failed = server.ended.then((why) => {
    throw new Error(`the daemon's own redis cannot run: ${why}`);
  });
  const redis = new Redis({
    path: socket,
    maxRetriesPerRequest: null,
    retryStrategy: () => 20,
    commandTimeout: startDeadline,
    enableReadyCheck: false, // It answers while it loads.
  });
  redis.on('error', () => undefined);
  try {
    const answered = untilLoaded(redis).catch((cause: Error) => {
      throw new Error(`the daemon's own redis did not answer within ${startDeadline / 1000} s`, { cause });
    });
    await Promise.race([answered, failed]);
    await setImmediate(); // By now its output from before the answer has been read.
    if (!wasTrimmed && !wasCut(server.said)) return;
    log.warn(
      { meaning: nothingLost },
      'redis has cut its append-only file, which was not written to its end',
    );
    await Promise.race([untilRewritten(redis), failed]);
  } finally {
    redis.disconnect();
  }
}

/**
 * Resolves when Redis has loaded its data, which may take minutes. Rejects when it does not answer
 * a question in time.
 */
export async function untilLoaded(redis: Redis): Promise<void> {
  while (/^loading:1/m.test(await redis.info('persistence'))) await pause(50);
}

const nothingLost =
  'no acknowledged write is lost: every write is synced before it is acknowledged, and the truncated one was not';

function redisArguments(directory: string, socket: string): string[] {
  const settings = {
    port: '0',
    unixsocket: socket,
    unixsocketperm: '700',
    dir: directory,
    appendonly: 'yes',
    appendfsync: 'always',
    // A write that a crash cut off was never acknowledged, so Redis may leave it out.
    'aof-load-truncated': 'yes',
    'maxmemory-policy': 'noeviction',
    save: '',
    daemonize: 'no',
    loglevel: 'warning',
  };
  return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
}

/** Finds the program for the daemon's own Redis. Throws when none is installed. */
export async function findProgram(find = whereIs): Promise<string> {
  for (const name of programs) {
    const program = await find(name);
    if (program !== null) return program;
  }
  throw new Error('neither valkey-server nor redis-server is installed; install one of them or give --redis');
}

/** A killed daemon leaves its Redis behind. Asks it to end, with everything on disk. */
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
    return; // None is left, as it should be.
  }
  log.info('stopping the redis of a daemon that was killed');
  const gone = once(redis, 'end');
  redis.shutdown('NOSAVE').catch(() => undefined); // The append-only file has everything already.
  await Promise.race([gone, pause(stopDeadline)]);
  redis.disconnect();
}

/** Makes Redis rewrite its append-only file from memory. */
async function untilRewritten(redis: Redis): Promise<void> {
  await redis.bgrewriteaof();
  for (;;) {
    const info = await redis.info('persistence');
    if (!/aof_rewrite_(?:in_progress|scheduled):1/.test(info)) {
      if (info.includes('aof_last_bgrewrite_status:ok')) return;
      throw new Error(
        "the daemon's own redis cannot rewrite its append-only file; make room on the disk of --base",
      );
    }
    await pause(50);
  }
}
