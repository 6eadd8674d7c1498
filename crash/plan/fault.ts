import type { Random } from '../random.ts';

/** What goes wrong. */
export type Fault =
  /** A process of ours that passes the point for the hits-th time ends itself. */
  | { kind: 'failpoint'; point: string; hits: number }
  | { kind: 'kill'; part: 'program' | 'redis' | 'both' }
  | { kind: 'stop'; part: 'program' | 'both'; seconds: number }
  | { kind: 'fill the disk'; seconds: number }
  | { kind: 'restart docker' | 'execute systemd again' | 'restart D-Bus' }
  | { kind: 'tear the append-only file' | 'reboot' | 'cut the power' };
export type FaultKind = Fault['kind'];

/** How often each is drawn. What takes long is seldom. */
export const usualFaults: Record<FaultKind, number> = {
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
};

/** Names of effects (src/lib/failpoint.ts), each with how often it is passed in a round at most. */
const effects: Record<string, number> = {
  'file.fsync': 15,
  'file.rename': 15,
  'file.remove': 8,
  'directory.fsync': 15,
  'port.reserve': 3,
  'port.release': 2,
  ...counted(4, 'dbus.', ['StartUnit', 'StopUnit', 'RestartUnit', 'EnableUnitFiles', 'DisableUnitFiles']),
  ...counted(4, 'dbus.', ['LinkUnitFiles', 'Reload', 'ResetFailedUnit', 'StartTransientUnit']),
  ...counted(20, 'dbus.', ['LoadUnit', 'Get', 'GetUnitFileState']),
  ...counted(4, 'docker.', ['container', 'image', 'removeContainer', 'imagesOfGear']),
  ...counted(1, 'docker.', ['createContainer', 'commit', 'removeImage']),
  ...counted(5, 'redis.', ['acceptAtOnce', 'take', 'begin', 'finish', 'announce', 'cancel']),
};

/** Of a thousand points or so that a round passes. */
const anyPoint = { hits: 600 };

function counted(most: number, prefix: string, names: string[]): Record<string, number> {
  return Object.fromEntries(names.map((name) => [`${prefix}${name}`, most]));
}

/** Seconds beyond every lock and heartbeat are seldom worth their time. */
const longStop = { chance: 0.25, from: 10, to: 35 };

/** Draws a fault of a kind that was drawn. */
export function drawFault(kind: FaultKind, random: Random): Fault {
  switch (kind) {
    case 'failpoint': {
      if (random.chance(0.25)) return { kind, point: '*', hits: random.int(1, anyPoint.hits) };
      const name = random.pick(Object.keys(effects));
      const side = random.pick(['before', 'after']);
      return { kind, point: `${name}:${side}`, hits: random.int(1, Math.ceil((effects[name] ?? 1) / 2)) };
    }
    case 'kill':
      return { kind, part: random.weighted({ program: 3, redis: 2, both: 3 }) };
    case 'stop': {
      const long = random.chance(longStop.chance);
      const seconds = long ? random.int(longStop.from, longStop.to) : random.int(1, 3);
      return { kind, part: random.pick(['program', 'both']), seconds };
    }
    case 'fill the disk':
      return { kind, seconds: random.int(1, 2) };
    default:
      return { kind };
  }
}

export function tellFault(fault: Fault): string {
  const { kind, ...more } = fault;
  return [kind, ...Object.entries(more).map(([name, value]) => `${name}=${value}`)].join(' ');
}
