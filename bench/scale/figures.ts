import { median } from '../table.ts';
import type { Cpu } from './fleet.ts';
import { type Load, type Measured, perRound, type Round, spreadOf } from './measure.ts';

/** What is printed of a fleet. */
export interface Figures extends Pick<Measured, 'rounds' | 'rest'> {
  hosts: number;
  /** Of the rounds at full load. */
  jobs: number;
  /** Bytes in Redis of a host at rest, and of a finished job. */
  bytes: { host: number; job: number };
  /** Gears of the hosts with the fewest and with the most. */
  spread: [number, number];
}

/** `bytesBefore`: what Redis used before the rounds. */
export async function figuresOf(measured: Measured, bytesBefore: number): Promise<Figures> {
  const { fleet, rounds, rest } = measured;
  const hosts = fleet.hosts.length;
  const jobs = rounds.full.size * perRound.full;
  const grown = (await fleet.usedBytes()) - bytesBefore;
  const bytes = {
    host: (rest.bytes - fleet.emptyBytes) / hosts,
    job: grown / (jobs + rounds.calm.size * perRound.calm),
  };
  return { hosts, jobs, rounds, rest, bytes, spread: await spreadOf(fleet) };
}

/** Of all processes together. */
export const total = ({ api, workers, redis }: Cpu) => api + workers + redis;

export interface Spread {
  median: number;
  lowest: number;
  highest: number;
}

function spreadOver(values: number[]): Spread {
  return { median: median(values), lowest: Math.min(...values), highest: Math.max(...values) };
}

/** CPU seconds for 1,000 jobs. */
export const costOf = ({ rounds }: Figures, load: Load): Spread =>
  spreadOver([...rounds[load].values()].map(({ cost }) => total(cost)));

/** The same beside another fleet's, round by round. */
export function ratioTo(base: Figures, { rounds }: Figures, load: Load): Spread {
  const pairs = [...rounds[load]].flatMap(([turn, round]): [Round, Round][] => {
    const other = base.rounds[load].get(turn);
    return other ? [[round, other]] : [];
  });
  return spreadOver(pairs.map(([ours, theirs]) => total(ours.cost) / total(theirs.cost)));
}
