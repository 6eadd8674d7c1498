import type { Random } from '../random.ts';
import { effects, otherEffects } from './effects.ts';
import type { OperationKind } from './operation.ts';

/** What goes wrong. */
export type Fault =
  /** A process of ours that passes the point for the hits-th time ends itself. */
  | { kind: 'failpoint'; point: string; hits: number }
  | { kind: 'kill'; part: 'program' | 'redis' | 'both' }
  | { kind: 'stop'; part: 'program' | 'both'; seconds: number }
  | { kind: 'fill the disk'; seconds: number }
  | { kind: 'restart docker' | 'execute systemd again' | 'restart D-Bus' }
  | { kind: 'tear the append-only file' | 'reboot' | 'cut the power' }
  /** Of geard and its Redis only; time is not namespaced. */
  | { kind: 'set the clock'; hours: 1 | -1; seconds: number }
  /** Of a fleet only. */
  | { kind: 'cut the network' | 'stop the api'; seconds: number }
  | { kind: 'kill the api' | 'kill the shared Redis' | 'tear the shared append-only file' };
export type FaultKind = Fault['kind'];

/** How often each is drawn. What takes long is seldom. */
export const usualFaults: Partial<Record<FaultKind, number>> = {
  failpoint: 50,
  kill: 18,
  stop: 4,
  'fill the disk': 4,
  'restart docker': 5,
  'execute systemd again': 6,
  'restart D-Bus': 3,
  'tear the append-only file': 3,
  reboot: 2,
  'cut the power': 5,
  'set the clock': 5,
};

/** On a fleet the daemon's own Redis is not there. */
export const fleetFaults: Partial<Record<FaultKind, number>> = {
  ...usualFaults,
  'tear the append-only file': 0,
  'kill the api': 8,
  'stop the api': 3,
  'tear the shared append-only file': 3,
  'kill the shared Redis': 6,
  'cut the network': 6,
};

/** Some point of the hundreds that a round passes. */
const anyPoint = { chance: 0.2, most: 250 };

/** How often it is one of which is not known what passes it. */
const otherPoint = 0.2;

/** Seconds beyond every lock and heartbeat are seldom worth their time. */
const longStop = { chance: 0.25, from: 10, to: 35 };

/** Draws a fault of a kind that was drawn. `kinds`: of the operations that it comes with. */
export function drawFault(
  kind: FaultKind,
  random: Random,
  kinds: readonly OperationKind[],
  fleet: boolean,
): Fault {
  switch (kind) {
    case 'failpoint':
      return drawFailpoint(random, kinds);
    case 'kill':
      // On a fleet the hosts have no Redis of their own.
      return { kind, part: fleet ? 'program' : random.weighted({ program: 3, redis: 2, both: 3 }) };
    case 'stop': {
      const long = random.chance(longStop.chance);
      const seconds = long ? random.int(longStop.from, longStop.to) : random.int(1, 3);
      return { kind, part: random.pick(['program', 'both']), seconds };
    }
    case 'fill the disk':
      return { kind, seconds: random.int(1, 2) };
    case 'set the clock':
      return { kind, hours: random.pick([1, -1]), seconds: random.int(1, 8) };
    case 'cut the network':
    case 'stop the api':
      return {
        kind,
        seconds: random.chance(longStop.chance) ? random.int(longStop.from, longStop.to) : random.int(1, 4),
      };
    default:
      return { kind };
  }
}

function drawFailpoint(random: Random, kinds: readonly OperationKind[]): Fault {
  const kind = 'failpoint';
  if (random.chance(anyPoint.chance)) return { kind, point: '*', hits: random.int(1, anyPoint.most) };
  const passed = effects.filter(({ by }) => by.some((one) => kinds.includes(one)));
  const seldom = passed.length === 0 || random.chance(otherPoint);
  const { name, most } = random.pick(seldom ? otherEffects : passed);
  return { kind, point: `${name}:${random.pick(['before', 'after'])}`, hits: random.int(1, most) };
}

export function tellFault(fault: Fault): string {
  const { kind, ...more } = fault;
  return [kind, ...Object.entries(more).map(([name, value]) => `${name}=${value}`)].join(' ');
}
