import type { ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { acceptMany } from './accept.ts';
import { median, ratios } from './table.ts';

/** Requests of one round. */
export const perRound = 500;

/** Of each round: microseconds of CPU and of the time of day for a request that an api accepts. */
export interface Cost {
  cpu: number[];
  wall: number[];
}

/** Microseconds of CPU that all threads of a process have used (/proc/PID/task/TID/schedstat). */
function cpuOf({ pid }: ChildProcess): number {
  const tasks = `/proc/${pid}/task`;
  const used = readdirSync(tasks).map((id) => readFileSync(`${tasks}/${id}/schedstat`, 'utf8'));
  return used.reduce((sum, line) => sum + Number(line.split(' ', 1)[0]), 0) / 1000;
}

/** Has an api accept one round of requests. */
export async function measureRound(api: ChildProcess, port: number, { cpu, wall }: Cost): Promise<void> {
  const before = cpuOf(api);
  wall.push(1e6 / (await acceptMany(port, perRound)));
  cpu.push((cpuOf(api) - before) / perRound);
}

/** Prints medians, and the ratio of the rounds: their median and its quartiles. */
export function printCosts(old: Cost, now: Cost): void {
  print('CPU of the api', old.cpu, now.cpu);
  print('time', old.wall, now.wall);
}

function print(what: string, old: number[], now: number[]): void {
  const { value } = ratios(now, old);
  const sorted = now.map((one, i) => one / (old[i] ?? one)).sort((a, b) => a - b);
  const quartile = (share: number) => sorted[Math.floor(sorted.length * share)]?.toFixed(3);
  const figures = `${median(old).toFixed(1)} → ${median(now).toFixed(1)} µs a request`;
  console.log(
    `${what}: ${figures}; ratio ${value.toFixed(3)} (quartiles ${quartile(0.25)} to ${quartile(0.75)})`,
  );
}
