import { createRandom, type Random } from '../random.ts';
import { drawFault, type Fault, type FaultKind, fleetFaults, usualFaults } from './fault.ts';
import {
  becomesJob,
  copyName,
  type HostOperationKind,
  type Operation,
  type OperationKind,
  type Spec,
} from './operation.ts';
import { apply, copyOf, emptyWorld, type World } from './world.ts';

/** What is sent in a round, and what goes wrong meanwhile; the same for the same seed. */
export interface Round {
  number: number;
  steps: Step[];
  faults: PlannedFault[];
  /** What there is before it if everything goes as it should. */
  before: World;
}

export interface Step {
  /** Sent at once. */
  operations: Operation[];
  /** Milliseconds until the next step. */
  pause: number;
}

export interface PlannedFault {
  fault: Fault;
  /** The step with which it comes, and milliseconds after that was sent. */
  step: number;
  delay: number;
  /** The number of the host, from 0. */
  host: number;
}

/** What is drawn more often than usual, or less. */
export interface Bias {
  faults?: Partial<Record<FaultKind, number>>;
  operations?: Partial<Record<Drawn, number>>;
  /** How often a second fault comes in a round. */
  secondFault?: number;
}

export const fleetSize = 3;
const usualSecondFault = 0.25;

/** How rounds are drawn. */
interface Draw {
  fleet: boolean;
  /** Every kind of fault in its turn, one a round. */
  inTurn: boolean;
  bias: Bias;
}

/** What the operations are on, gears and environments alike. */
const names = ['a', 'b', 'c', 'd', 'e', 'f'];
const fewest = 4;
const most = 9;
const longestPause = 300;
const maxDelay = 400;
/** A failpoint is to be armed before what passes it. */
const longestArming = 20;
const firstPort = 4600;
/** How often a host is drained in a round, and repaired. */
const draining = 0.25;
const repairing = 0.2;

type Drawn = Exclude<OperationKind, HostOperationKind> | 'install again';

const onExisting: Record<Drawn, number> = {
  ...{ install: 18, 'install again': 6, start: 7, stop: 10, restart: 22, remove: 13 },
  ...{ replace: 7, merge: 5, repository: 5, copy: 3, log: 5, cancel: 7 },
};
const onAbsent: Partial<Record<Drawn, number>> = {
  ...{ install: 60, restart: 2, remove: 2, replace: 12, merge: 5, repository: 8, copy: 5, log: 2, cancel: 5 },
};

/** Plans one round after the other. */
export function createPlan(seed: number, draw: Draw): { next(): Round } {
  const world = emptyWorld();
  let number = 0;
  return {
    next() {
      number++;
      const random = createRandom(`${seed}/${number}`);
      const before = copyOf(world);
      const steps = drawSteps(random, world, number, draw);
      const faults = drawFaults(random, steps, number, draw);
      drawForHosts(createRandom(`${seed}/${number}/hosts`), steps, draw);
      return { number, steps, faults, before };
    },
  };
}

function drawSteps(random: Random, world: World, round: number, how: Draw): Step[] {
  const steps: Step[] = [];
  const sent: Operation[] = [];
  for (let left = random.int(fewest, most); left > 0; ) {
    const count = Math.min(left, Number(random.weighted({ 1: 6, 2: 3, 3: 1 })));
    const operations = Array.from({ length: count }, () => drawOne(random, world, sent, round, how));
    for (const operation of operations) {
      apply(world, operation);
      sent.push(operation);
    }
    left -= count;
    steps.push({ operations, pause: random.int(0, longestPause) });
  }
  return steps;
}

function drawOne(
  random: Random,
  world: World,
  sent: Operation[],
  round: number,
  { fleet, bias }: Draw,
): Operation {
  const name = random.pick(names);
  const id = random.hex(32);
  const gear = world.gears.get(name);
  const targets = sent.filter(becomesJob);
  const kind = random.weighted<Drawn>({ ...(gear ? onExisting : onAbsent), ...bias.operations });
  switch (kind) {
    case 'install':
      return drawInstall(random, world, name, id, fleet);
    case 'install again': {
      const spec = gear?.spec ?? drawSpec(random, world, name, id, fleet);
      return { id, name, kind: 'install', spec, start: true, createOnly: false };
    }
    case 'replace':
    case 'merge':
      return { id, name, kind, env: drawVariables(random) };
    case 'repository':
      return { id, kind, name: `${name}-${round}` };
    case 'copy':
      return { id, kind, name: copyName(`${name}-${round}`) };
    case 'cancel':
      if (targets.length === 0) return { id, name, kind: 'log' };
      return { id, name, kind, target: random.pick(targets).id };
    default:
      return { id, name, kind };
  }
}

/** Adds what is asked of a host as a whole. It takes what is new again before the round is over, for which new things wait. */
function drawForHosts(random: Random, steps: Step[], { fleet }: Draw): void {
  const name = `h${random.int(1, fleet ? fleetSize : 1)}`;
  const add = (kind: HostOperationKind, from = 0): number => {
    const step = random.int(from, steps.length - 1);
    steps[step]?.operations.push({ id: random.hex(32), name, kind });
    return step;
  };
  if (random.chance(draining)) add('undrain', add('drain'));
  if (random.chance(repairing)) add('repair');
}

function drawInstall(random: Random, world: World, name: string, id: string, fleet: boolean): Operation {
  const exists = world.gears.has(name);
  const spec = drawSpec(random, world, name, id, fleet);
  const start = exists || spec.fails || random.chance(0.9);
  return { id, name, kind: 'install', spec, start, createOnly: random.chance(exists ? 0.08 : 0.25) };
}

/** On a fleet an environment may live on another host than the gear. */
function drawSpec(random: Random, world: World, name: string, id: string, fleet: boolean): Spec {
  const fails = random.chance(0.08);
  // What listens nowhere has started when its process runs, however soon it ends.
  const port = fails ? 0 : random.pick([null, 0, firstPort + names.indexOf(name)]);
  const environments = [...world.environments.keys()];
  const environment =
    !fleet && environments.length > 0 && random.chance(0.3) ? random.pick(environments) : null;
  const mark = id.slice(0, 12);
  return { mark, port, environment, volume: random.chance(0.15) ? `v-${mark}` : null, fails };
}

/** Lines in a value have the environment carried by an image. */
function drawVariables(random: Random): Record<string, string> {
  const entries = Array.from({ length: random.int(1, 3) }, () => {
    const lines = random.chance(0.15) ? '\nand more' : '';
    return [`V${random.int(1, 4)}`, `${random.hex(8)}${lines}`];
  });
  return Object.fromEntries(entries);
}

function drawFaults(random: Random, steps: Step[], number: number, how: Draw): PlannedFault[] {
  const { fleet, bias, inTurn } = how;
  const weights = { ...(fleet ? fleetFaults : usualFaults), ...bias.faults };
  const kinds = (Object.keys(weights) as FaultKind[]).filter((kind) => (weights[kind] ?? 0) > 0);
  const second = !inTurn && random.chance(bias.secondFault ?? usualSecondFault);
  return Array.from({ length: second ? 2 : 1 }, () => {
    const kind = inTurn ? (kinds[(number - 1) % kinds.length] ?? 'kill') : random.weighted(weights);
    const step = random.int(0, steps.length - 1);
    const operations = (steps[step]?.operations ?? []).map((operation) => operation.kind);
    const fault = drawFault(kind, random, operations, fleet);
    const delay = random.int(0, fault.kind === 'failpoint' ? longestArming : maxDelay);
    return { fault, step, delay, host: fleet ? random.int(0, fleetSize - 1) : 0 };
  }).sort((one, other) => one.step - other.step || one.delay - other.delay);
}
