import { pause } from '../../src/lib/pause.ts';
import type { LabHost } from '../lab/lab-host.ts';
import type { Site } from '../lab/site.ts';
import type { World } from '../plan/world.ts';
import type { Played } from '../play/play-round.ts';
import { boots, restartsGears, type Struck } from '../play/strike.ts';
import type { ContainerWatch } from '../watch.ts';
import { checkAnswers, checkReplays } from './answers.ts';
import { fold } from './fold.ts';
import { type Look, look } from './look.ts';
import { checkStarts, startsByDocker, startsBySystemd } from './starts.ts';
import { checkState, isEnabled, runs } from './state.ts';
import type { Violation } from './violation.ts';

/** Milliseconds in which a host comes to rest when all jobs are over; more where gears are started again by Docker or a boot. */
const restTime = 2_500;
const longRestTime = 25_000;
const lookInterval = 250;

/** Milliseconds after Docker or a host is back in which gears are started again. */
const settling = 15_000;

/** Checks what was played against the world, and leaves the world as the host then is. */
export async function checkRound(
  site: Site,
  world: World,
  played: Played,
  watch: ContainerWatch,
): Promise<Violation[]> {
  const { requests, struck, began } = played;
  const host = site.hosts[0] as LabHost;
  const restarted = struck.filter(({ fault }) => restartsGears(fault));
  const { violations, starts, presence } = fold(world, requests, toleranceOf(struck));
  if (struck.some(({ fault }) => boots(fault))) forgetWhatBootsForget(world);
  const state = await checkRest(host, world, restarted.length > 0 ? longRestTime : restTime);
  const explained = restarted.map(({ from, to }) => ({ from, to: to + settling }));
  const byDocker = startsByDocker(watch, began);
  const bySystemd = struck.some(({ fault }) => boots(fault)) ? null : await startsBySystemd(host, began);
  return [
    ...checkAnswers(requests, presence),
    ...violations,
    ...state,
    ...checkStarts('Docker', byDocker, starts, explained),
    ...(bySystemd ? checkStarts('systemd', bySystemd, starts, explained) : []),
    ...(await checkReplays(site, requests)),
  ];
}

/** Errors that a fault of this round explains: what has no room is told so, and it is never our own fault. */
function toleranceOf(struck: readonly Struck[]): (code: string) => boolean {
  const noRoom = struck.some(({ fault }) => fault.kind === 'fill the disk');
  const noPort = struck.some(({ leaked }) => leaked);
  return (code) => (noPort && code === 'port_taken') || (noRoom && code !== 'internal' && code !== 'none');
}

/** What was restarted and never enabled may have been so before or after the boot. */
function forgetWhatBootsForget({ gears }: World): void {
  for (const gear of gears.values()) if (!gear.enabled && gear.running) gear.unsure = true;
}

/** Compares until all is as it should be, or the time is over. Then the world takes over what it could not know. */
export async function checkRest(host: LabHost, world: World, milliseconds: number): Promise<Violation[]> {
  const until = Date.now() + milliseconds;
  for (;;) {
    const seen = await look(host).catch(() => null); // Docker may be on its way still.
    const found = seen ? checkState(world, seen) : null;
    if (seen && found && (found.length === 0 || Date.now() > until)) {
      adopt(world, seen);
      return found;
    }
    if (Date.now() > until + longRestTime) throw new Error(`${host.name} cannot be looked at`);
    await pause(lookInterval);
  }
}

/** What is wrong is told once, and what was unsure is known now. */
function adopt({ gears, environments, repositories }: World, seen: Look): void {
  for (const [name, gear] of gears) {
    if (!seen.files.units.includes(`gear-${name}.service`)) {
      gears.delete(name);
      continue;
    }
    gear.running = runs(name, seen) ?? gear.running;
    gear.enabled = isEnabled(name, seen);
    gear.runs = gear.running ? (seen.containers.get(`gear-${name}`)?.mark ?? null) : null;
    gear.unsure = false;
  }
  for (const name of environments.keys()) if (!seen.environments.has(name)) environments.delete(name);
  for (const name of repositories) if (!seen.files.git.includes(name)) repositories.delete(name);
}
