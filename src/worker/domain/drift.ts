import type { ChangedUnit, Drift, Foreign } from '../../jobs/rpc/drift.ts';
import { containerName, type HostPaths, resourceOfUnit, unitName } from './paths.ts';
import { parseStored, renderUnit, type StoredGear, type UnitHost } from './unit-file.ts';

/** The observed state of a host at one time. */
export interface HostSnapshot {
  /** Texts of the files in geard's own directory with names like gears' units, by name. */
  units: ReadonlyMap<string, string>;
  /** Units of such names below /etc, with the target of each link; null: not a link. */
  links: ReadonlyMap<string, string | null>;
  /**
   * Names of the units that start on some of the occasions on which gears start, but not on all.
   */
  halfWanted: ReadonlySet<string>;
  /** Names of the units that systemd has loaded from anywhere, or runs. */
  loaded: readonly string[];
  containers: readonly { name: string; gear: string | null }[];
  /** Names of the engine's networks. */
  networks: readonly string[];
  /** The gears that the directory lists for the host. */
  held: readonly string[];
  /** Gears with a running job, which is changing them: they are left out. */
  busy: ReadonlySet<string>;
}

/** Finds the differences between a host and the state that geard has made. */
export function findDrift(snapshot: HostSnapshot, host: UnitHost): Drift {
  const { units, links, loaded, containers, networks, held, busy } = snapshot;
  const all = [...units.keys()].sort();
  const ours = all.flatMap((name) => parseStored(resourceOfUnit(name) ?? '', units.get(name) ?? '') ?? []);
  const isQuiet = (resource: string) => !busy.has(resource);
  const quiet = ours.filter(({ resource }) => isQuiet(resource));
  const inDirectory = new Set(held);
  return {
    unitsWithoutEntry: namesOf(quiet.filter(({ resource }) => !inDirectory.has(resource))),
    // A foreign file of this name is reported as foreign; it takes the name all the same.
    entriesWithoutUnit: [...held].sort().filter((name) => isQuiet(name) && !units.has(unitName(name))),
    changedUnits: quiet.flatMap((unit) => changeOf(unit, snapshot, host) ?? []),
    withoutNetwork: namesOf(quiet.filter(({ network }) => network !== null && !networks.includes(network))),
    foreign: [
      ...foreignUnits({ units, links, loaded }, new Set(namesOf(ours)), host.paths).filter(({ name }) =>
        isQuiet(resourceOfUnit(name) ?? ''),
      ),
      ...containers
        .filter(({ name, gear }) => gear === null || name !== containerName(gear))
        .map(({ name }) => ({ kind: 'container' as const, name }))
        .sort(byName),
    ],
  };
}

const namesOf = (units: StoredGear[]) => units.map(({ resource }) => resource);

/** The differences of a unit of ours; null: none. */
export function changeOf(
  unit: StoredGear,
  { links, halfWanted }: Pick<HostSnapshot, 'links' | 'halfWanted'>,
  host: UnitHost,
): ChangedUnit | null {
  const { resource, text } = unit;
  const textChanged = renderUnit(unit, host) !== text;
  const name = unitName(resource);
  const target = links.get(name);
  const isWrong = target !== undefined && target !== host.paths.unit(resource);
  const isMissing = target === undefined || halfWanted.has(name);
  const link = isWrong ? 'wrong' : isMissing ? 'missing' : 'fine';
  return textChanged || link !== 'fine' ? { resource, text: textChanged, link } : null;
}

/** Units that are not ours, or that occupy the place of a link to one of ours. */
function foreignUnits(
  { units, links, loaded }: Pick<HostSnapshot, 'units' | 'links' | 'loaded'>,
  ours: ReadonlySet<string>,
  paths: HostPaths,
): Foreign[] {
  const isForeign = (name: string) => {
    const resource = resourceOfUnit(name) ?? '';
    const link = links.get(name);
    if (link !== undefined && link !== paths.unit(resource)) return true;
    // A link of ours whose unit is gone leads nowhere: it is a leftover, not foreign.
    return !ours.has(resource) && (units.has(name) || link === undefined);
  };
  return [...new Set([...units.keys(), ...links.keys(), ...loaded])]
    .filter(isForeign)
    .map((name) => ({ kind: 'unit' as const, name }))
    .sort(byName);
}

const byName = (a: Foreign, b: Foreign) => (a.name < b.name ? -1 : 1);
