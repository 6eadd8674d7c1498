import type { LabHost } from '../lab/lab-host.ts';
import type { ContainerWatch } from '../watch.ts';
import type { Folded } from './fold.ts';
import { type Violation, violation } from './violation.ts';

/** A gear has been started. `at`: milliseconds since the epoch. */
export interface Start {
  gear: string;
  at: number;
}

/** A time in which gears are started though nobody has asked for it. */
export interface Window {
  from: number;
  to: number;
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

/** systemd's message that a unit was started (sd-messages.h, SD_MESSAGE_UNIT_STARTED). */
const started = '39f53479d3a045ac8e11786248231fbf';

/** The journal does not outlive a boot. */
export async function startsBySystemd(host: LabHost, since: number): Promise<Start[]> {
  await host.ok('journalctl', '--sync');
  const from = `--since=@${(since / 1_000).toFixed(3)}`;
  const fields = '--output-fields=UNIT';
  const text = await host.ok(
    'journalctl',
    '--quiet',
    '--output=json',
    fields,
    from,
    '_PID=1',
    `MESSAGE_ID=${started}`,
  );
  return text
    .split('\n')
    .filter(Boolean)
    .flatMap((line) => {
      const { UNIT, __REALTIME_TIMESTAMP } = JSON.parse(line) as Record<
        'UNIT' | '__REALTIME_TIMESTAMP',
        string
      >;
      const gear = gearOf(UNIT, '.service');
      return gear === null ? [] : [{ gear, at: Number(__REALTIME_TIMESTAMP) / 1_000 }];
    });
}

/** Each effect once: a gear was started as often as the jobs on it say, apart from what faults explain. */
export function checkStarts(
  who: string,
  starts: readonly Start[],
  expected: Folded['starts'],
  explained: readonly Window[],
): Violation[] {
  const gears = new Set([...expected.keys(), ...starts.map(({ gear }) => gear)]);
  return [...gears].flatMap((gear) => {
    const { least, most } = expected.get(gear) ?? { least: 0, most: 0 };
    const all = starts.filter((one) => one.gear === gear);
    const unexplained = all.filter(({ at }) => !explained.some(({ from, to }) => at >= from && at <= to));
    const times = all.map(({ at }) => new Date(at).toISOString().slice(11, 23)).join(', ');
    const told = `gear ${gear}: ${who} has started it ${all.length} times (${times}), expected were ${least} to ${most}`;
    if (unexplained.length > most) return [violation('doubled', told)];
    return all.length < least ? [violation('missing', told)] : [];
  });
}
