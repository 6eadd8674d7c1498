import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pause } from '../../src/lib/async/pause.ts';

/** What the hosts of a fleet share: a Redis and an api, beside the switch. */
export interface Shared {
  /** A process in the namespace where they listen. */
  pid(): number;
  /** Also where the api has killed itself it is started again. `meanwhile` is done while it is down. */
  kill(part: 'api' | 'redis', meanwhile?: () => Promise<void>): Promise<void>;
  /** Stops the api for so many milliseconds. */
  stopApi(milliseconds: number): Promise<void>;
  /** Arms the api's own failpoints. */
  failpoints: string;
  /** The directory of the Redis. */
  data: string;
  /** Ends both. */
  close(): Promise<void>;
}

/** Nobody but the lab reaches the switch. */
export const sharedRedis = ['--redis', 'redis://10.77.0.254:6379', '--insecure-redis'];
/** Milliseconds until a program that was killed is started again. */
const beforeAgain = 500;

/** `directory` is the lab's; files there have `contrib/lab down` end the programs if this process cannot. */
export async function openShared(
  directory: string,
  data: string,
  gear: string,
  port: number,
): Promise<Shared> {
  const network = basename(directory);
  await mkdir(data, { recursive: true });
  const failpoints = join(data, 'api.failpoint');
  const durable = ['--appendonly', 'yes', '--appendfsync', 'always', '--save', ''];
  const programs = {
    redis: [
      ...['redis-server', '--bind', '10.77.0.254', '--protected-mode', 'no', '--dir', data, ...durable],
      ...['--maxmemory-policy', 'noeviction', '--loglevel', 'warning'],
    ],
    api: [
      ...[
        'env',
        `GEARD_FAILPOINTS=${failpoints}`,
        process.execPath,
        gear,
        'api',
        '--listen',
        `127.0.0.1:${port}`,
      ],
      ...[...sharedRedis, '--test-token'],
    ],
  };
  const running = new Map<keyof typeof programs, ChildProcess>();
  const start = async (name: keyof typeof programs) => {
    const log = openSync(join(data, `${name}.log`), 'a');
    const child = spawn('ip', ['netns', 'exec', network, ...programs[name]], {
      stdio: ['ignore', log, log],
      detached: true,
    });
    running.set(name, child);
    child.once('exit', () => void (ours.has(child) ? undefined : again(name)));
    await remember(join(directory, `${name}.pid`), child.pid ?? 0);
  };
  /** Those that we have ended. */
  const ours = new Set<ChildProcess>();
  const again = async (name: keyof typeof programs) => {
    await pause(beforeAgain);
    if (!closed) await start(name);
  };
  let closed = false;
  await start('redis');
  await start('api');
  const end = async (name: keyof typeof programs): Promise<boolean> => {
    const child = running.get(name);
    if (!child || child.exitCode !== null || child.signalCode !== null) return false;
    ours.add(child);
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
    return true;
  };
  return {
    failpoints,
    data,
    pid: () => running.get('redis')?.pid ?? 0,
    async kill(name, meanwhile) {
      if (!(await end(name))) return; // It is on its way up already.
      await meanwhile?.();
      await again(name);
    },
    async stopApi(milliseconds) {
      const child = running.get('api');
      child?.kill('SIGSTOP');
      await pause(milliseconds);
      child?.kill('SIGCONT');
    },
    async close() {
      closed = true;
      await end('api');
      await end('redis');
    },
  };
}

/** As lab.d/processes.sh does it: a pid and when it was started, in the clock ticks of proc(5). */
async function remember(file: string, pid: number): Promise<void> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const started = stat.slice(stat.lastIndexOf(') ') + 2).split(' ')[19];
  await writeFile(file, `${pid} ${started}\n`);
}
