import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import type { Transport } from '../../src/jobs/rpc/streams.ts';
import { type Client, createClient } from './client.ts';
import { makeBase, removeGearsOf } from './daemon.ts';
import { end, isReady, startNode } from './processes.ts';
import { openTestRedis, type TestRedis } from './redis.ts';
import { until } from './until.ts';

/** An api and a worker as processes of their own, on a Redis of their own, all on this host. */
export interface Fleet extends Client {
  base: string;
  redis: TestRedis;
  api: ChildProcess;
  worker: ChildProcess;
  /** kill -9, and resolves when it has ended. */
  kill(role: 'api' | 'worker'): Promise<void>;
  /** Starts again what was killed or ended, by this program; a worker with options of its own. */
  restart(role: 'api' | 'worker', program?: string, options?: string[]): Promise<void>;
  close(): Promise<void>;
}

let nextPort = 12_600;
const ours = 'bin/gear';

export async function openFleet(transport: Transport, options: string[] = []): Promise<Fleet> {
  const base = await makeBase();
  const redis = await openTestRedis();
  const [apiPort, workerPort] = [nextPort++, nextPort++];
  const shared = ['--test-token', '--redis', redis.url, '--stream', transport, '--log-level', 'debug'];
  const listen = transport === 'relay' ? [] : ['--stream-listen', `127.0.0.1:${workerPort}`];
  const starts = {
    api: (program: string) =>
      startNode([program, 'api', ...shared, '--listen', `127.0.0.1:${apiPort}`], /api listens/),
    worker: (program: string, own: string[]) =>
      startNode(
        [program, 'worker', ...shared, '--base', base, '--host', 'h1', ...listen, ...own],
        /worker is ready/,
      ),
  };
  const [worker, api] = await Promise.all([starts.worker(ours, options), starts.api(ours)]);
  const fleet: Fleet = {
    ...createClient(`http://127.0.0.1:${apiPort}/token/__test__`),
    base,
    ...{ redis, worker, api },
    async kill(role) {
      const exited = once(fleet[role], 'exit');
      fleet[role].kill('SIGKILL');
      await exited;
    },
    async restart(role, program = ours, own = options) {
      fleet[role] = await starts[role](program, own);
      if (role === 'api') await until('the api is ready', () => isReady(apiPort));
    },
    async close() {
      await end(fleet.api);
      await end(fleet.worker);
      await redis.close();
      await removeGearsOf(base);
      await rm(base, { recursive: true, force: true });
    },
  };
  return fleet;
}
