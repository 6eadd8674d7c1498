import { pause } from '../../src/lib/async/pause.ts';
import { keys } from '../../src/queue/redis/keys.ts';
import { sendMany } from '../load.ts';
import { type Cpu, commandsSoFar, type SimulatedFleet } from './fleet.ts';

/** Requests in flight. */
const concurrency = 32;
/** Jobs of a round: sent, and waited for until all are final. */
export const perRound = { full: 5_000, calm: 1_000 };
/** Jobs per second of a calm round: the same for every size, and less than each can do. */
export const calmPace = 100;
/** Seconds in which fleets at rest are looked at, after half as many to come to rest. */
const restSeconds = 10;

export type Load = keyof typeof perRound;

/** One round: its jobs per second to the last one's end, and CPU seconds for 1,000 of them. */
export interface Round {
  perSecond: number;
  cost: Cpu;
  /** Milliseconds until 202. */
  latencies: number[];
}

/** A fleet, and what has been seen of it so far. */
export interface Measured {
  fleet: SimulatedFleet;
  /** Requests sent. */
  sent: number;
  /** By number; rounds of several fleets that have the same number came right after each other. */
  rounds: Record<Load, Map<number, Round>>;
  rest: { commandsPerSecond: number; cpu: Cpu; bytes: number };
}

export async function startMeasuring(fleet: SimulatedFleet): Promise<Measured> {
  const rest = await atRest(fleet);
  return { fleet, sent: 0, rounds: { full: new Map(), calm: new Map() }, rest };
}

export async function playRound(measured: Measured, load: Load): Promise<Round> {
  const { fleet } = measured;
  const jobs = perRound[load];
  const before = fleet.cpu();
  const began = performance.now();
  const make = () => {
    const n = ++measured.sent;
    const query = `u=0&t=geard%2Fsample&r=g${n}&i=${n.toString(16)}`;
    const body = '{"ports":[{"internal":8080}]}';
    return { port: fleet.port, method: 'PUT', body, path: `/token/__test__/container?${query}` };
  };
  const { latencies } = await sendMany(jobs, concurrency, 202, make, load === 'calm' ? calmPace : undefined);
  while ((await unfinished(fleet)) > 0) await pause(200);
  const perSecond = jobs / ((performance.now() - began) / 1000);
  return { perSecond, cost: cpuSince(before, fleet.cpu(), jobs / 1000), latencies };
}

async function atRest(fleet: SimulatedFleet): Promise<Measured['rest']> {
  await pause(restSeconds * 500);
  const [commands, cpu] = [await commandsSoFar(fleet.redis), fleet.cpu()];
  await pause(restSeconds * 1_000);
  const commandsPerSecond = ((await commandsSoFar(fleet.redis)) - commands) / restSeconds;
  const bytes = await fleet.usedBytes();
  return { commandsPerSecond, cpu: cpuSince(cpu, fleet.cpu(), restSeconds), bytes };
}

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

/** Throws unless every request has become a job, and every job has succeeded. */
export async function mustAllHaveSucceeded({ fleet: { redis }, sent }: Measured): Promise<void> {
  const all = Array.from({ length: sent }, (_, i) => (i + 1).toString(16).padStart(32, '0'));
  for (let done = 0; done < all.length; done += 5_000) {
    const ids = all.slice(done, done + 5_000);
    const bound = await redis.redis.mget(ids.map((id) => keys.id(id)));
    const pipeline = redis.redis.pipeline();
    for (const [i, id] of ids.entries()) pipeline.hget(keys.run(bound[i]?.split(' ')[0] ?? '', id), 'state');
    const states = ((await pipeline.exec()) ?? []).map(([, state]) => state);
    const others = states.filter((state) => state !== 'succeeded').length;
    if (others > 0) throw new Error(`${others} of ${ids.length} jobs have not succeeded`);
  }
}

/** Gears of the hosts with the fewest and with the most. */
export async function spreadOf({ redis: { redis }, hosts }: SimulatedFleet): Promise<[number, number]> {
  const counts = (await redis.hmget(keys.spread, ...hosts.map((host) => `gear:${host}`))).map(Number);
  return [Math.min(...counts), Math.max(...counts)];
}

const sum = (values: number[]) => values.reduce((all, value) => all + value, 0);
