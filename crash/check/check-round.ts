import { pause } from '../../src/lib/async/pause.ts';
import type { LabHost } from '../lab/lab-host.ts';
import type { Site } from '../lab/site.ts';
import { partOf, sure, type World } from '../plan/world.ts';
import type { Played } from '../play/play-round.ts';
import { boots, restartsGears, type Struck } from '../play/strike.ts';
import type { ContainerWatch } from '../watch.ts';
import { checkAnswers, checkReplays } from './answers.ts';
import { fold } from './fold.ts';
import { type Look, look } from './look.ts';
import { checkNotDoubled, checkNotMissing, startsByDocker, startsBySystemd, type Window } from './starts.ts';
import { checkState, isEnabled, runs } from './state.ts';
import type { Violation } from './violation.ts';

/** Milliseconds in which a host comes to rest when all jobs are over; more where gears are started again by Docker or a boot. */
const restTime = 2_500;
const longRestTime = 25_000;
const lookInterval = 250;

/**
 * Milliseconds after Docker or a host is back in which gears are started again: on a machine with ten programs in line for each
 * processor the last one came 86 s after Docker's restart had begun.
 */
const settling = 120_000;

/** Checks what was played against the world, and leaves the world as the hosts then are. */
export async function checkRound(
  site: Site,
  world: World,
  { requests, struck, began }: Played,
  watches: readonly ContainerWatch[],
): Promise<Violation[]> {
  const restarted = struck.filter((one) => restartsGears(one));
  const booted = struck.filter(({ fault }) => boots(fault)).map(({ host }) => host);
  const { violations, starts, presence } = fold(world, requests, toleranceOf(struck));
  for (const host of booted) forgetWhatBootsForget(partOf(world, host.name));
  const state = await checkRest(site.hosts, world, restarted.length > 0 ? longRestTime : restTime);
  const explained = restarted.flatMap(windowsOf);
  const byDocker = watches.flatMap((watch) => startsByDocker(watch, began));
  const bySystemd = await Promise.all(site.hosts.map((host) => startsBySystemd(host, began)));
  return [
    ...checkAnswers(requests, presence),
    ...violations,
    ...state,
    ...checkNotDoubled('Docker', byDocker, starts, explained),
    ...checkNotMissing('Docker', byDocker, starts),
    ...checkNotDoubled('systemd', bySystemd.flat(), starts, explained.map(withRefusals)),
    // What was told in the journal before a boot is gone.
    ...(booted.length === 0 ? checkNotMissing('systemd', bySystemd.flat(), starts) : []),
    ...(await checkReplays(site, requests)),
  ];
}

/** Docker and boots bring each gear up once; ports that Docker has lost have it restarted once more. */
function windowsOf({ from, to, leaked }: Struck): Window[] {
  return [{ from, to: to + settling, most: leaked ? 2 : 1 }];
}

/** systemd tries again what Docker has refused while it comes up; only what Docker has started has had an effect. */
const withRefusals = (window: Window): Window => ({ ...window, most: Number.POSITIVE_INFINITY });

/** Errors that a fault of this round explains. All faults pass, so that hardly any does. */
function toleranceOf(struck: readonly Struck[]): (code: string) => boolean {
  const noPort = struck.some(({ leaked }) => leaked);
  return (code) => noPort && code === 'port_taken';
}

/** What was restarted and never enabled may have been so before or after the boot. */
function forgetWhatBootsForget({ gears }: World): void {
  for (const gear of gears.values()) if (!gear.enabled && gear.running) gear.unsure.running = true;
}

/** Compares until all is as it should be, or the time is over. Then the world takes over what it could not know. */
export async function checkRest(
  hosts: readonly LabHost[],
  world: World,
  milliseconds: number,
): Promise<Violation[]> {
  const until = Date.now() + milliseconds;
  const found = await Promise.all(hosts.map((host) => checkHost(host, world, until)));
  return found.flat();
}

async function checkHost(host: LabHost, world: World, until: number): Promise<Violation[]> {
  for (;;) {
    const part = partOf(world, host.name);
    const seen = await look(host).catch(() => null); // Docker may be on its way still.
    const all = seen ? checkState(part, seen) : [];
    const found = all.filter(({ what }) => !world.told.has(`${host.name} ${what}`));
    if (seen && (found.length === 0 || Date.now() > until)) {
      adopt(world, part, seen);
      for (const text of world.told) if (text.startsWith(`${host.name} `)) world.told.delete(text);
      for (const { what } of all) world.told.add(`${host.name} ${what}`);
      return found;
    }
    if (Date.now() > until + longRestTime) throw new Error(`${host.name} cannot be looked at`);
    await pause(lookInterval);
  }
}

/** What is wrong is told once, and what was unsure is known now. */
function adopt(world: World, part: World, seen: Look): void {
  for (const [name, gear] of part.gears) {
    if (!seen.files.units.includes(`gear-${name}.service`)) {
      world.gears.delete(name);
      continue;
    }
    gear.running = runs(name, seen) ?? gear.running;
    gear.enabled = isEnabled(name, seen);
    gear.runs = gear.running ? (seen.containers.get(`gear-${name}`)?.mark ?? null) : null;
    gear.unsure = sure();
  }
  for (const name of part.environments.keys())
    if (!seen.environments.has(name)) world.environments.delete(name);
  for (const name of part.repositories) if (!seen.files.git.includes(name)) world.repositories.delete(name);
}
