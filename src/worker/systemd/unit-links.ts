import { readdir, readlink, rename, rm, symlink } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { Failure } from '../../jobs/errors.ts';
import { effect } from '../../lib/effect.ts';
import { codeOf, isAbsence, makeDirectories, nullIfAbsent, syncDirectory } from '../host/files.ts';

/**
 * Where systemd looks for the units of an administrator, before all other places (systemd.unit(5)).
 */
const systemUnits = '/etc/systemd/system';

/** Names like those of the units of gears, whoever made them. */
export const gearUnitPattern = /^gear-.+\.service$/;

export interface UnitLinks {
  /** Units by name, and where each leads: a path, or null for what is no link. */
  links: Map<string, string | null>;
  /** Names of the units that something wants, so that they are started at boot. */
  wanted: Set<string>;
  /**
   * Of these, the ones that not all of them want that are to: a boot starts them, a start of
   * the engine does not, or the reverse.
   */
  halfWanted: Set<string>;
}

/**
 * The links below /etc by which systemd knows the units of gears, and `wantedBy`: the units that
 * start what is enabled. Changes are on disk when they resolve, to whether anything has changed.
 */
export function createUnitLinks(wantedBy: readonly string[]) {
  const places = wantedBy.map((target) => join(systemUnits, `${target}.wants`));
  const disable = (unit: string) => forEach(places, (place) => removeLink(place, unit));
  return {
    /** What there is below /etc under names like those of gears. */
    async read(): Promise<UnitLinks> {
      const links = new Map<string, string | null>();
      const wanted = new Map<string, string[]>();
      for (const entry of await readdir(systemUnits, { withFileTypes: true })) {
        const path = join(systemUnits, entry.name);
        if (gearUnitPattern.test(entry.name)) links.set(entry.name, (await targetOf(path)) ?? null);
        if (!entry.isDirectory() || !entry.name.endsWith('.wants')) continue;
        for (const name of await readdir(path))
          if (gearUnitPattern.test(name)) wanted.set(name, [...(wanted.get(name) ?? []), path]);
      }
      const isHalf = ([, by]: [string, string[]]) => {
        const count = places.filter((place) => by.includes(place)).length;
        return count > 0 && count < places.length;
      };
      const halfWanted = [...wanted].filter(isHalf).map(([name]) => name);
      return { links, wanted: new Set(wanted.keys()), halfWanted: new Set(halfWanted) };
    },

    /** Whether a unit is started at boot. */
    async isWanted(unit: string): Promise<boolean> {
      const targets = await Promise.all(places.map((place) => targetOf(join(place, unit))));
      return targets.some((target) => target !== undefined);
    },

    /** All that is started at boot with the gears. */
    async wanted(): Promise<Set<string>> {
      const names = await Promise.all(places.map((place) => nullIfAbsent(readdir(place))));
      return new Set(names.flatMap((all) => all ?? []));
    },

    /**
     * Links a unit file into systemd, and into what is to start it at boot or out of that, as
     * `systemctl link`, `enable` and `disable` do. Other than theirs, the unit is never without its
     * link meanwhile: a reload in between would take a running unit for one that does not exist.
     * Throws where the name is a unit that somebody else has made.
     */
    async place(path: string, enabled: boolean): Promise<boolean> {
      const unit = basename(path);
      const linked = await placeLink(systemUnits, unit, path);
      if (!enabled) return (await disable(unit)) || linked;
      await makeDirectories(places);
      return (await forEach(places, (place) => placeLink(place, unit, path))) || linked;
    },

    /** Takes away what is to start a unit; the unit stays known. */
    disable,

    /** Takes every link of a unit away; a file under its name stays. */
    async remove(unit: string): Promise<boolean> {
      const entries = await readdir(systemUnits, { withFileTypes: true });
      const wants = entries.filter(
        (entry) => entry.isDirectory() && /\.(?:wants|requires)$/.test(entry.name),
      );
      const directories = [...wants.map(({ name }) => join(systemUnits, name)), systemUnits];
      return forEach(directories, (directory) => removeLink(directory, unit));
    },
  };
}

/** Changes one directory after the other; returns whether any was changed. */
async function forEach(
  directories: readonly string[],
  change: (directory: string) => Promise<boolean>,
): Promise<boolean> {
  let changed = false;
  for (const directory of directories) changed = (await change(directory)) || changed;
  return changed;
}

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
    if (codeOf(error) === 'EINVAL') return null;
    throw error;
  }
}
