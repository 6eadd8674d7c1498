import { existsSync, readFileSync } from 'node:fs';
import type { Job } from '../../src/jobs/job.ts';
import { type Client, createClient } from './client.ts';
import { okOn } from './lab-exec.ts';
import { ok, run } from './run.ts';
import { until } from './until.ts';

/** A Redis and an api for a lab of several hosts, with a worker on each; driven from outside. */
export interface LabFleet extends Client {
  hosts: string[];
  onHost(host: string, ...command: string[]): Promise<string>;
  /** Ends a part by force: the api, the Redis, or the worker of a host, which systemd starts again. */
  kill(part: 'api' | 'redis' | { worker: string }): Promise<void>;
  /** Starts again what was ended. */
  restore(): Promise<void>;
  /** Takes a host's cable out, or puts it in again. */
  cut(host: string): Promise<void>;
  join(host: string): Promise<void>;
  redis(...command: string[]): Promise<string>;
  /** Boots a host again and resolves when its new worker has told of itself; `--hard` pulls the plug. */
  reboot(host: string, ...how: string[]): Promise<void>;
  /** Resolves when so many hosts are live. */
  live(count?: number): Promise<void>;
  /** A job when it is over. */
  ended(id: string, deadline?: number): Promise<Job>;
  close(): Promise<void>;
}

export const apiUrl = 'http://127.0.0.1:2223/token/__test__';

export async function openLabFleet(directory: string, count: number): Promise<LabFleet> {
  process.env['GEARD_LAB_DIR'] = directory;
  const name = directory.split('/').at(-1) ?? '';
  const hosts = Array.from({ length: count }, (_, i) => `h${i + 1}`);
  const project = process.cwd();
  const lab = (...args: string[]) => ok('contrib/lab', ...args);
  const inSwitch = (...command: string[]) => ok('ip', 'netns', 'exec', name, ...command);
  const client = createClient(apiUrl);
  const states = async () => {
    const { body } = await client
      .send<{ hosts?: { name: string; state: string; lastSeen: string }[] }>('GET', 'hosts')
      .catch(() => ({ body: {} }));
    return 'hosts' in body ? (body.hosts ?? []) : [];
  };
  const fleet: LabFleet = {
    ...client,
    hosts,
    onHost: okOn,
    async kill(part) {
      if (typeof part !== 'string') {
        await okOn(part.worker, 'systemctl', 'kill', '--signal=KILL', '--kill-who=all', 'geard-worker');
        return;
      }
      const pid = Number(readFileSync(`${directory}/${part}.pid`, 'utf8').split(' ')[0]);
      process.kill(pid, 'SIGKILL');
      await until(`${part} has ended`, () => !existsSync(`/proc/${pid}/exe`));
    },
    async restore() {
      await lab('up', String(count));
    },
    cut: async (host) => void (await inSwitch('ip', 'link', 'set', host, 'down')),
    join: async (host) => void (await inSwitch('ip', 'link', 'set', host, 'up')),
    async reboot(host, ...how) {
      await lab('reboot', host, ...how);
      const seen = async () => (await states()).find(({ name }) => name === host);
      // The worker before the reboot may count as live for a while yet; nothing of it can announce itself any more.
      const { lastSeen } = await until(`${host} is known`, seen);
      await until(`${host} is seen again after the reboot`, async () => {
        const now = await seen();
        return now?.state === 'live' && now.lastSeen !== lastSeen;
      });
    },
    redis: (...command) => inSwitch('redis-cli', '-h', '10.77.0.254', ...command),
    live: async (wanted = count) =>
      void (await until(
        `${wanted} hosts are live`,
        async () => (await states()).filter(({ state }) => state === 'live').length === wanted,
        60_000,
      )),
    ended: (id, deadline = 60_000) =>
      until(
        `job ${id} is over`,
        async () => {
          const { body } = await client.send<Job>('GET', `job/${id}`, { wait: '10' });
          return body.finishedAt ? body : null;
        },
        deadline,
      ),
    async close() {
      await run('contrib/lab', 'down');
    },
  };
  await run('contrib/lab', 'down');
  await fleet.restore();
  await Promise.all(hosts.map((host) => okOn(host, `${project}/contrib/sample/image`)));
  await fleet.live();
  return fleet;
}
