import { keys } from '../../src/queue/keys.ts';
import { sendMany } from '../load.ts';
import { type Cpu, commandsSoFar, type SimulatedFleet, usedBytes } from './fleet.ts';

/** Requests in flight. */
const concurrency = 32;
/** Jobs of a round: sent, and waited for until all are final. */
const perRound = { full: 5_000, calm: 1_000 };
/** Jobs per second of a calm round: the same for every size, and less than each can do. */
export const calmPace = 100;
const calmRounds = 5;
/** Seconds in which a fleet at rest is looked at, after half as many to come to rest. */
const restSeconds = 10;

export interface Figures {
  hosts: number;
  jobs: number;
  /** As many as are taken, and at the calm pace. */
  full: Round[];
  calm: Round[];
  rest: { commandsPerSecond: number; cpu: Cpu };
  /** Bytes in Redis of a host at rest, and of a finished job. */
  bytes: { host: number; job: number };
  /** Gears of the hosts with the fewest and with the most. */
  spread: [number, number];
}

/** One round: its jobs per second to the last one's end, and CPU seconds for 1,000 of them. */
export interface Round {
  perSecond: number;
  cost: Cpu;
  /** Milliseconds until 202. */
  latencies: number[];
}

let next = 1;

/** Has a fleet do so many jobs, in whole rounds, and some before that count for something else. */
export async function measure(fleet: SimulatedFleet, wanted: number): Promise<Figures> {
  const hosts = fleet.hosts.length;
  const first = next;
  const rest = await atRest(fleet);
  const bytesAtRest = await usedBytes(fleet.redis);
  await round(fleet, 'full'); // The first only warms up.
  const calm = await rounds(fleet, 'calm', calmRounds);
  const bytesBefore = await usedBytes(fleet.redis);
  const full = await rounds(fleet, 'full', wanted / perRound.full);
  const jobs = full.length * perRound.full;
  const bytesAfter = await usedBytes(fleet.redis);
  await allSucceeded(fleet, first);
  const bytes = { host: (bytesAtRest - fleet.emptyBytes) / hosts, job: (bytesAfter - bytesBefore) / jobs };
  return { ...{ hosts, jobs, full, calm, rest, bytes }, spread: await spreadOf(fleet) };
}

async function rounds(fleet: SimulatedFleet, load: keyof typeof perRound, count: number): Promise<Round[]> {
  const all: Round[] = [];
  while (all.length < count) all.push(await round(fleet, load));
  return all;
}

async function round(fleet: SimulatedFleet, load: keyof typeof perRound): Promise<Round> {
  const jobs = perRound[load];
  const before = fleet.cpu();
  const began = performance.now();
  const make = () => ({
    ...{ port: fleet.port, method: 'PUT', body: '{"ports":[{"internal":8080}]}' },
    path: `/token/__test__/container?u=0&t=geard%2Fsample&r=g${next}&i=${(next++).toString(16)}`,
  });
  const { latencies } = await sendMany(jobs, concurrency, 202, make, load === 'calm' ? calmPace : undefined);
  while ((await unfinished(fleet)) > 0) await pause(0.2);
  const perSecond = jobs / ((performance.now() - began) / 1000);
  return { perSecond, cost: cpuSince(before, fleet.cpu(), jobs / 1000), latencies };
}

async function atRest(fleet: SimulatedFleet): Promise<Figures['rest']> {
  await pause(restSeconds / 2);
  const [commands, cpu] = [await commandsSoFar(fleet.redis), fleet.cpu()];
  await pause(restSeconds);
  const commandsPerSecond = ((await commandsSoFar(fleet.redis)) - commands) / restSeconds;
  return { commandsPerSecond, cpu: cpuSince(cpu, fleet.cpu(), restSeconds) };
}

const pause = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

const cpuSince = (before: Cpu, after: Cpu, divisor: number): Cpu => ({
  api: (after.api - before.api) / divisor,
  workers: (after.workers - before.workers) / divisor,
  redis: (after.redis - before.redis) / divisor,
});

async function unfinished({ redis: { redis }, hosts }: SimulatedFleet): Promise<number> {
  const pipeline = redis.pipeline();
  for (const host of hosts) pipeline.zcard(keys.open(host));
  return sum(((await pipeline.exec()) ?? []).map(([, count]) => Number(count)));
}

/** That all requests since the first of this fleet have become jobs, and that all these have succeeded. */
async function allSucceeded({ redis: { redis } }: SimulatedFleet, first: number): Promise<void> {
  const all = Array.from({ length: next - first }, (_, i) => (first + i).toString(16).padStart(32, '0'));
  for (let done = 0; done < all.length; done += 5_000) {
    const ids = all.slice(done, done + 5_000);
    const bound = await redis.mget(ids.map((id) => keys.id(id)));
    const pipeline = redis.pipeline();
    for (const [i, id] of ids.entries()) pipeline.hget(keys.run(bound[i]?.split(' ')[0] ?? '', id), 'state');
    const states = ((await pipeline.exec()) ?? []).map(([, state]) => state);
    const others = states.filter((state) => state !== 'succeeded').length;
    if (others > 0) throw new Error(`${others} of ${ids.length} jobs have not succeeded`);
  }
}

async function spreadOf({ redis: { redis }, hosts }: SimulatedFleet): Promise<[number, number]> {
  const counts = (await redis.hmget(keys.spread, ...hosts.map((host) => `gear:${host}`))).map(Number);
  return [Math.min(...counts), Math.max(...counts)];
}

const sum = (values: number[]) => values.reduce((all, value) => all + value, 0);
