import { readdirSync, readFileSync } from 'node:fs';
import type { Fleet } from './fleet.ts';
import { until } from './until.ts';

/** Command lines of all processes of some programs on this host. */
function processes(...programs: string[]): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
        if (!words.some((word) => programs.includes(word.split('/').pop() ?? ''))) return [];
        return /^\d+ \([^)]*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8')) ? [] : [words.join(' ')];
      } catch {
        return []; // It has ended meanwhile.
      }
    });
}

/** The processes behind streams, wherever they came from. */
export const behindStreams = () =>
  processes('journalctl', 'git').filter((line) => !line.startsWith('git daemon '));

const socketsOf = (pid: number | undefined) => readdirSync(`/proc/${pid}/fd`).length;

export interface Resting {
  api: number;
  worker: number;
}

/** How many descriptors api and worker have open; taken while nothing is streamed. */
export const descriptors = ({ api, worker }: Fleet): Resting => ({
  api: api.exitCode === null && api.signalCode === null ? socketsOf(api.pid) : 0,
  worker: worker.exitCode === null && worker.signalCode === null ? socketsOf(worker.pid) : 0,
});

/** In time, in milliseconds, nothing of a stream is left: no process, no key, no socket. */
export async function nothingLeft(fleet: Fleet, resting: Resting, inTime = 5_000): Promise<void> {
  let found = '';
  const look = async () => {
    const keys = await fleet.redis.redis.keys('*frames*').catch(() => []);
    const now = descriptors(fleet);
    const left = [...behindStreams(), ...keys];
    if (now.api > resting.api || now.worker > resting.worker) left.push(`descriptors ${JSON.stringify(now)}`);
    found = left.join('; ');
    return left.length === 0;
  };
  await until('nothing of the stream is left', look, inTime).catch((error: Error) => {
    throw new Error(`${error.message}: ${found} (at rest ${JSON.stringify(resting)})`);
  });
}
