import { readdir, readlink, rename, rm, symlink } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { Failure } from '../../jobs/errors.ts';
import { effect } from '../../lib/effect.ts';
import { nullIfAbsent } from '../../lib/files/if-there.ts';
import { resourceOfUnit } from '../domain/paths.ts';
import { codeOf, makeDirectories, syncDirectory } from '../host/files.ts';

/** The directory of the administrator's units, which systemd searches first (systemd.unit(5)). */
const unitsOfAdministrator = '/etc/systemd/system';

export interface UnitLinks {
  /** Units by name, with the target of each link; null: not a link. */
  links: Map<string, string | null>;
  /** Names of the units that something wants, so that they start at boot. */
  wanted: Set<string>;
  /**
   * Those of `wanted` that only some of the required units want: a boot starts them and the engine
   * does not, or the reverse.
   */
  halfWanted: Set<string>;
}

/**
 * The links below /etc that make gears' units known to systemd. `wantedBy`: the units that start
 * enabled gears. Changes are on disk when they resolve, and return whether anything has changed.
 */
export function createUnitLinks(wantedBy: readonly string[], systemUnits = unitsOfAdministrator) {
  const places = wantedBy.map((target) => join(systemUnits, `${target}.wants`));
  const disable = (unit: string) => forEach(places, (place) => removeLink(place, unit));
  return {
    /** Reads the links and files below /etc with names like those of gears' units. */
    async read(): Promise<UnitLinks> {
      const links = new Map<string, string | null>();
      const wanted = new Map<string, string[]>();
      for (const entry of await readdir(systemUnits, { withFileTypes: true })) {
        const path = join(systemUnits, entry.name);
        if (resourceOfUnit(entry.name) !== null) links.set(entry.name, (await targetOf(path)) ?? null);
        if (!entry.isDirectory() || !entry.name.endsWith('.wants')) continue;
        for (const name of await readdir(path))
          if (resourceOfUnit(name) !== null) wanted.set(name, [...(wanted.get(name) ?? []), path]);
      }
      const isHalf = ([, by]: [string, string[]]) => {
        const count = places.filter((place) => by.includes(place)).length;
        return count > 0 && count < places.length;
      };
      const halfWanted = [...wanted].filter(isHalf).map(([name]) => name);
      return { links, wanted: new Set(wanted.keys()), halfWanted: new Set(halfWanted) };
    },

    /** Whether a unit is enabled in one of these places, which may list thousands. */
    async isEnabled(unit: string): Promise<boolean> {
      const targets = await Promise.all(places.map((place) => targetOf(join(place, unit))));
      return targets.some((target) => target !== undefined);
    },

    /** All units that are enabled in the same places as gears. */
    async enabled(): Promise<Set<string>> {
      const names = await Promise.all(places.map((place) => nullIfAbsent(readdir(place))));
      return new Set(names.flatMap((all) => all ?? []));
    },

    /**
     * Links a unit file into systemd and enables or disables it at boot, as `systemctl link`,
     * `enable` and `disable` do. Unlike with those, the unit always has its link: a reload in
     * between would make systemd treat a running unit as missing. Throws when the name belongs to a
     * unit that geard has not made.
     */
    async place(path: string, enabled: boolean): Promise<boolean> {
      const unit = basename(path);
      const linked = await placeLink(systemUnits, unit, path);
      if (!enabled) return (await disable(unit)) || linked;
      await makeDirectories(places);
      return (await forEach(places, (place) => placeLink(place, unit, path))) || linked;
    },

    /** Whether a unit has a link that does not lead to a base directory of geard. */
    async isLinkedElsewhere(unit: string): Promise<boolean> {
      const target = await targetOf(join(systemUnits, unit));
      return typeof target === 'string' && !target.endsWith(`/units/${unit}`);
    },

    /** Removes the links that start a unit; the unit stays known. */
    disable,

    /** Removes every link of a unit; a file under its name stays. */
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

/** A unit of this name is somebody else's. */
export const foreignUnit = (unit: string) =>
  new Failure(
    'internal',
    `systemd has a unit ${unit} that geard has not made; remove it from the host first`,
  );

/** Changes one directory after the other; returns whether any has changed. */
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
  if (target === null) throw foreignUnit(unit);
  const draft = draftOf(directory, unit);
  await rm(draft, { force: true });
  await symlink(path, draft);
  await effect('link.place', () => rename(draft, place), place);
  await syncDirectory(directory);
  return true;
}

/** The name of a link before it is renamed; systemd ignores it. */
const draftOf = (directory: string, unit: string) => join(directory, `.${unit}.new`);

/** Removes a link, and the draft of one that a worker has left when it was killed. */
async function removeLink(directory: string, unit: string): Promise<boolean> {
  const place = join(directory, unit);
  const isLink = typeof (await targetOf(place)) === 'string';
  const hadDraft = (await nullIfAbsent(rm(draftOf(directory, unit)))) !== null;
  if (isLink) await effect('link.remove', () => rm(place), place);
  if (isLink || hadDraft) await syncDirectory(directory);
  return isLink;
}

/** The target of a link; null: not a link, undefined: nothing is there. */
async function targetOf(place: string): Promise<string | null | undefined> {
  try {
    return resolve(place, '..', await readlink(place));
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    if (codeOf(error) === 'EINVAL') return null;
    throw error;
  }
}
