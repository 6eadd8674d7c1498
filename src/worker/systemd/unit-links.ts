import { readdir, readlink, rename, rm, symlink } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { Failure } from '../../jobs/errors.ts';
import { effect } from '../../lib/effect.ts';
import { wantedBy } from '../domain/unit-file.ts';
import { isAbsence, makeDirectories, syncDirectory } from '../host/files.ts';

/** Where systemd looks for the units of an administrator, before all other places (systemd.unit(5)). */
const systemUnits = '/etc/systemd/system';

/** Names like those of the units of gears, whoever made them. */
export const gearUnitPattern = /^gear-.+\.service$/;

export interface UnitLinks {
  /** Units by name, and where each leads: a path, or null for what is no link. */
  links: Map<string, string | null>;
  /** Names of the units that something wants, so that they are started at boot. */
  wanted: Set<string>;
  /** Of these, the ones that not all of them want that are to: a boot starts them, a start of Docker does not, or the reverse. */
  halfWanted: Set<string>;
}

/** What there is below /etc under names like those of gears. */
export async function readUnitLinks(): Promise<UnitLinks> {
  const links = new Map<string, string | null>();
  const wanted = new Set<string>();
  const byTarget = new Map<string, Set<string>>();
  for (const entry of await readdir(systemUnits, { withFileTypes: true })) {
    if (gearUnitPattern.test(entry.name))
      links.set(entry.name, (await targetOf(join(systemUnits, entry.name))) ?? null);
    if (!entry.isDirectory() || !entry.name.endsWith('.wants')) continue;
    const names = (await readdir(join(systemUnits, entry.name))).filter((name) => gearUnitPattern.test(name));
    for (const name of names) wanted.add(name);
    byTarget.set(entry.name, new Set(names));
  }
  return { links, wanted, halfWanted: halfOf(byTarget) };
}

/** What some of the directories name that start gears, and not all of them. */
function halfOf(byTarget: ReadonlyMap<string, ReadonlySet<string>>): Set<string> {
  const places = wantedBy.map((target) => byTarget.get(`${target}.wants`) ?? new Set<string>());
  const all = places.flatMap((names) => [...names]);
  return new Set(all.filter((name) => !places.every((names) => names.has(name))));
}

/** Whether a unit is started at boot. */
export async function isWanted(unit: string): Promise<boolean> {
  const targets = await Promise.all(wantsDirectories().map((directory) => targetOf(join(directory, unit))));
  return targets.some((target) => target !== undefined);
}

/** All that is started at boot with the gears. */
export async function wantedUnits(): Promise<Set<string>> {
  const names = await Promise.all(
    wantsDirectories().map((directory) => readdir(directory).catch(noneIfAbsent)),
  );
  return new Set(names.flat());
}

function noneIfAbsent(error: unknown): string[] {
  if (isAbsence(error)) return [];
  throw error;
}

/**
 * Links a unit file into systemd, and into what is to start it at boot or out of that, as `systemctl link`, `enable` and
 * `disable` do; on disk when it resolves. Other than theirs, the unit is never without its link meanwhile: a reload in
 * between would take a running unit for one that does not exist. Returns whether anything has changed. Throws where the
 * name is a unit that somebody else has made.
 */
export async function placeLinks(path: string, wanted: boolean): Promise<boolean> {
  const unit = basename(path);
  const linked = await placeLink(systemUnits, unit, path);
  const changed = await (wanted ? placeWants(unit, path) : removeWants(unit));
  return linked || changed;
}

async function placeWants(unit: string, path: string): Promise<boolean> {
  const changes: boolean[] = [];
  await makeDirectories(wantsDirectories());
  for (const directory of wantsDirectories()) changes.push(await placeLink(directory, unit, path));
  return changes.includes(true);
}

/** Takes away what is to start a unit; the unit stays known. Returns whether there was anything. */
export const removeWants = (unit: string): Promise<boolean> => removeFrom(wantsDirectories(), unit);

/** Takes every link of a unit away; a file under its name stays. Returns whether there was one. */
export async function removeLinks(unit: string): Promise<boolean> {
  const entries = await readdir(systemUnits, { withFileTypes: true });
  const wants = entries.filter((entry) => entry.isDirectory() && /\.(?:wants|requires)$/.test(entry.name));
  return removeFrom([...wants.map(({ name }) => join(systemUnits, name)), systemUnits], unit);
}

async function removeFrom(directories: readonly string[], unit: string): Promise<boolean> {
  const changes: boolean[] = [];
  for (const directory of directories) changes.push(await removeLink(directory, unit));
  return changes.includes(true);
}

const wantsDirectories = () => wantedBy.map((target) => join(systemUnits, `${target}.wants`));

async function placeLink(directory: string, unit: string, path: string): Promise<boolean> {
  const place = join(directory, unit);
  const target = await targetOf(place);
  if (target === path) return false;
  if (target === null)
    throw new Failure(
      'internal',
      `systemd has a unit ${unit} that geard has not made; remove it from the host first`,
    );
  const draft = join(directory, `.${unit}.new`);
  await rm(draft, { force: true });
  await symlink(path, draft);
  await effect('link.place', () => rename(draft, place), place);
  await syncDirectory(directory);
  return true;
}

async function removeLink(directory: string, unit: string): Promise<boolean> {
  const place = join(directory, unit);
  if (typeof (await targetOf(place)) !== 'string') return false;
  await effect('link.remove', () => rm(place), place);
  await syncDirectory(directory);
  return true;
}

/** Where a link leads; null: it is no link, undefined: nothing is there. */
async function targetOf(place: string): Promise<string | null | undefined> {
  try {
    return resolve(place, '..', await readlink(place));
  } catch (error) {
    if (isAbsence(error)) return undefined;
    if ((error as NodeJS.ErrnoException).code === 'EINVAL') return null;
    throw error;
  }
}
