import type { LabHost } from '../lab/lab-host.ts';
import type { ContainerWatch } from '../watch.ts';
import type { Folded } from './fold.ts';
import { type Violation, violation } from './violation.ts';

/** A gear has been started. `at`: milliseconds since the epoch. */
export interface Start {
  gear: string;
  at: number;
}

/** A time in which each gear may be started so often though nobody has asked for it. */
export interface Window {
  from: number;
  to: number;
  most: number;
}

/** What is left of a name without what stands around it; null where that is not there. */
const gearOf = (name: string, end: string) =>
  name.startsWith('gear-') && name.endsWith(end)
    ? name.slice('gear-'.length, name.length - end.length)
    : null;

export function startsByDocker(watch: ContainerWatch, since: number): Start[] {
  return watch.since(since).flatMap(({ action, name, at }) => {
    const gear = gearOf(name, '');
    return action === 'start' && gear !== null ? [{ gear, at }] : [];
  });
}

/** systemd's messages that a unit was started, and that a process of it has ended (sd-messages.h). */
const [started, exited] = ['39f53479d3a045ac8e11786248231fbf', '98e322203f7a4ed290d09fe03c09fe15'];

type Entry = Record<'UNIT' | 'MESSAGE_ID' | 'COMMAND' | 'EXIT_STATUS' | '__REALTIME_TIMESTAMP', string>;

/**
 * What was told before the last boot is gone: the journal does not outlive it. A start that Docker has refused (exit status 125 to
 * 127 of docker-run(1)) has made nothing run, and does not count.
 */
export async function startsBySystemd(host: LabHost, since: number): Promise<Start[]> {
  await host.ok('journalctl', '--sync');
  const text = await host.ok(
    ...['journalctl', '--quiet', '--output=json', '--output-fields=UNIT,MESSAGE_ID,COMMAND,EXIT_STATUS'],
    ...[`--since=@${(since / 1_000).toFixed(3)}`, '_PID=1', `MESSAGE_ID=${started}`, `MESSAGE_ID=${exited}`],
  );
  const starts: Start[] = [];
  for (const line of text.split('\n').filter(Boolean)) {
    const { UNIT, MESSAGE_ID, COMMAND, EXIT_STATUS, __REALTIME_TIMESTAMP } = JSON.parse(line) as Entry;
    const gear = gearOf(UNIT, '.service');
    if (gear === null) continue;
    if (MESSAGE_ID === started) starts.push({ gear, at: Number(__REALTIME_TIMESTAMP) / 1_000 });
    else if (COMMAND === 'ExecStart' && ['125', '126', '127'].includes(EXIT_STATUS)) {
      const refused = starts.findLastIndex((start) => start.gear === gear);
      if (refused >= 0) starts.splice(refused, 1);
    }
  }
  return starts;
}

/** Each effect once: no gear was started more often than the jobs on it say, apart from what faults explain. */
export function checkNotDoubled(
  who: string,
  starts: readonly Start[],
  expected: Folded['starts'],
  explained: readonly Window[],
): Violation[] {
  return tellStarts(who, starts, expected, 'doubled', (own, { most }) => unexplained(own, explained) > most);
}

/** Each effect took place: no gear was started less often than the jobs on it say. */
export function checkNotMissing(
  who: string,
  starts: readonly Start[],
  expected: Folded['starts'],
): Violation[] {
  return tellStarts(who, starts, expected, 'missing', (own, { least }) => own.length < least);
}

function tellStarts(
  who: string,
  starts: readonly Start[],
  expected: Folded['starts'],
  promise: Violation['promise'],
  breaks: (own: readonly Start[], expected: { least: number; most: number }) => boolean,
): Violation[] {
  const gears = new Set([...expected.keys(), ...starts.map(({ gear }) => gear)]);
  return [...gears].flatMap((gear) => {
    const wanted = expected.get(gear) ?? { least: 0, most: 0 };
    const own = starts.filter((one) => one.gear === gear);
    if (!breaks(own, wanted)) return [];
    const times = own.map(({ at }) => new Date(at).toISOString().slice(11, 23)).join(', ');
    const told = `gear ${gear}: ${who} has started it ${own.length} times (${times})`;
    return [violation(promise, `${told}, expected were ${wanted.least} to ${wanted.most}`)];
  });
}

/** How many starts of one gear no window explains. What a window can explain that ends first, it does. */
function unexplained(starts: readonly Start[], windows: readonly Window[]): number {
  const left = [...starts].sort((one, other) => one.at - other.at);
  for (const { from, to, most } of [...windows].sort((one, other) => one.to - other.to)) {
    for (let n = 0; n < most; n++) {
      const first = left.findIndex(({ at }) => at >= from && at <= to);
      if (first < 0) break;
      left.splice(first, 1);
    }
  }
  return left.length;
}
