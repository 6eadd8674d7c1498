/**
 * What accepting a job costs in one tree beside another one, both built: PUTs to both apis in
 * turns, on one Redis. The CPU time of the apis tells more than the time of day.
 * usage: node --import tsx bench/accept-trees.ts OLD NEW [PAIRS]
 */
import type { ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { end } from '../test/support/processes.ts';
import { openTestRedis } from '../test/support/redis.ts';
import { acceptMany, addHost, startApi } from './accept.ts';
import { median, ratios } from './table.ts';

const warmUp = 6;
const perRound = 500;

interface Api {
  process: ChildProcess;
  port: number;
  /** Of each round: microseconds of CPU and of the time of day for a request. */
  cpu: number[];
  wall: number[];
}

/** Microseconds of CPU that all threads of a process have used (/proc/PID/task/TID/schedstat). */
function cpuOf({ pid }: ChildProcess): number {
  const tasks = `/proc/${pid}/task`;
  const used = readdirSync(tasks).map((id) => readFileSync(`${tasks}/${id}/schedstat`, 'utf8'));
  return used.reduce((sum, line) => sum + Number(line.split(' ', 1)[0]), 0) / 1000;
}

async function measure(api: Api): Promise<void> {
  const before = cpuOf(api.process);
  api.wall.push(1e6 / (await acceptMany(api.port, perRound)));
  api.cpu.push((cpuOf(api.process) - before) / perRound);
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

const [oldTree, newTree, pairs = '40'] = process.argv.slice(2);
if (oldTree === undefined || newTree === undefined) throw new Error('name two trees that are built');
const redis = await openTestRedis();
await addHost(redis);
const start = async (tree: string, port: number): Promise<Api> => ({
  process: await startApi(tree, redis.url, port),
  port,
  cpu: [],
  wall: [],
});
const old = await start(oldTree, 12_223);
const now = await start(newTree, 12_224);
try {
  for (let i = 0; i < warmUp; i++) for (const { port } of [old, now]) await acceptMany(port, perRound);
  // Old, new, new, old: what changes in the course of time favours neither.
  for (let i = 0; i < Number(pairs); i++)
    for (const api of i % 2 === 0 ? [old, now] : [now, old]) await measure(api);
} finally {
  await end(old.process);
  await end(now.process);
  await redis.close();
}
print('CPU of the api', old.cpu, now.cpu);
print('time', old.wall, now.wall);
