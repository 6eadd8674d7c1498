import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** The Redis that the machine has; others lie where scripts/lib/engines.sh has put them. */
export const redisOfMachine = 'redis-server';
export const engine = (name: string) => join('node_modules/.cache/engines/bin', name);

/** A process of a Redis that is killed and started again at will; what it has in its directory stays. */
export interface ServerProcess {
  readonly pid: number;
  start(): Promise<void>;
  /** kill -9, and resolves when it has ended. */
  kill(): Promise<void>;
}

/** Starts a Redis that keeps its jobs, as geard wants it. */
export const startRedis: typeof startServer = (program, directory, args) => {
  const keeping = ['--appendonly', 'yes', '--save', '', '--loglevel', 'warning'];
  return startServer(program, directory, [...args, ...keeping, '--dir', directory]);
};

/** Removes the directory of servers that were killed. A child of one that saves may write there for another moment. */
export const removeData = (directory: string) => rm(directory, { recursive: true, maxRetries: 20 });

/** Starts a server with a directory of its own. */
export async function startServer(
  program: string,
  directory: string,
  args: readonly string[],
): Promise<ServerProcess> {
  let child: ChildProcess | null = null;
  const server: ServerProcess = {
    get pid() {
      return child?.pid ?? 0;
    },
    async start() {
      await mkdir(directory, { recursive: true });
      child = spawn(program, args, { stdio: 'ignore' });
      await once(child, 'spawn');
    },
    async kill() {
      if (!child || child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    },
  };
  await server.start();
  return server;
}
