import type { ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { end, startNode } from '../../test/support/processes.ts';
import { openTestRedis, type TestRedis } from '../../test/support/redis.ts';
import { noLimits } from '../no-limits.ts';

/**
 * Hosts that share a process. One process for all: each more of them costs by itself, as its replies come in smaller packets,
 * and that has nothing to do with the number of hosts.
 */
const perProcess = 300;

export interface SimulatedFleet {
  redis: TestRedis;
  port: number;
  hosts: string[];
  /** Bytes that Redis used before the first host came, and uses now. */
  emptyBytes: number;
  usedBytes(): Promise<number>;
  /** CPU seconds used so far. */
  cpu(): Cpu;
  close(): Promise<void>;
}

export interface Cpu {
  api: number;
  workers: number;
  redis: number;
}

/** One real api, one real Redis with an append-only file, and so many hosts that do nothing. */
export async function openSimulatedFleet(size: number, port: number): Promise<SimulatedFleet> {
  // What a host writes down goes into memory: disks of 300 hosts are not what one disk can stand for.
  const directory = await mkdtemp(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'geard-scale-'));
  const redis = await openTestRedis(['--appendonly', 'yes', '--appendfsync', 'everysec']);
  const api = await startNode(
    ['bin/gear', 'api', '--test-token', '--redis', redis.url, '--listen', `127.0.0.1:${port}`, ...noLimits],
    /api listens/,
  );
  const emptyBytes = await usedBytes(redis);
  const workers = await startHosts(size, redis.url, directory);
  return {
    ...{ redis, port, emptyBytes },
    usedBytes: () => usedBytes(redis),
    hosts: Array.from({ length: size }, (_, i) => `h${i + 1}`),
    cpu: () => ({
      api: cpuSeconds(api.pid),
      workers: workers.reduce((sum, { pid }) => sum + cpuSeconds(pid), 0),
      redis: cpuSeconds(redis.pid),
    }),
    async close() {
      await Promise.all(workers.map(end));
      await end(api);
      await redis.close();
      await rm(directory, { recursive: true });
    },
  };
}

async function startHosts(size: number, url: string, directory: string): Promise<ChildProcess[]> {
  return Promise.all(
    Array.from({ length: Math.ceil(size / perProcess) }, (_, i) => {
      const first = i * perProcess;
      const args = [url, directory, String(first + 1), String(Math.min(perProcess, size - first))];
      return startNode(['--import', 'tsx', 'bench/scale/hosts.ts', ...args], /ready/);
    }),
  );
}

async function usedBytes({ redis }: Pick<TestRedis, 'redis'>): Promise<number> {
  return infoNumber(await redis.info('memory'), 'used_memory');
}

export async function commandsSoFar({ redis }: Pick<TestRedis, 'redis'>): Promise<number> {
  return infoNumber(await redis.info('stats'), 'total_commands_processed');
}

const infoNumber = (info: string, field: string) =>
  Number(new RegExp(`^${field}:(\\d+)`, 'm').exec(info)?.[1]);

/** CPU seconds of a process and its children that have ended: utime to cstime of proc(5), in ticks of 10 ms. */
export function cpuSeconds(pid = 0): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / 100;
}
