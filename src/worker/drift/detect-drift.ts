import type { Drift } from '../../jobs/rpc/drift.ts';
import { readIfThere } from '../../lib/files/if-there.ts';
import { findDrift } from '../domain/drift.ts';
import { containerName, type HostPaths } from '../domain/paths.ts';
import { listGears } from '../gear/gear-files.ts';
import type { HostServices } from '../host-services.ts';
import { isUp } from '../systemd/systemd.ts';

/** Finds the differences between this host and the state that geard has made. */
export async function detectDrift(services: HostServices): Promise<Drift> {
  const { paths, systemd, engine, directory } = services;
  // A job may begin or end during the look: its gear counts as busy if it was so before or after.
  const before = [...services.busy];
  const [{ links, halfWanted }, loaded, containers, networks, held, units] = await Promise.all([
    systemd.links(),
    systemd.loaded(),
    engine.containersNamed(containerName('')),
    engine.networks(),
    directory.held('gear'),
    unitTexts(paths),
  ]);
  const busy = new Set([...before, ...services.busy]);
  const strangers = loaded.filter(({ name }) => !units.has(name) && !links.has(name));
  const real = await Promise.all(strangers.map((unit) => isThere(services, unit)));
  const found = strangers.filter((_, i) => real[i]).map(({ name }) => name);
  const names = networks.map(({ name }) => name);
  const snapshot = { units, links, halfWanted, loaded: found, containers, networks: names, held, busy };
  return findDrift(snapshot, services);
}

/** systemd remembers units for a while that were removed or only requested. */
async function isThere({ systemd }: HostServices, unit: { name: string; active: string }): Promise<boolean> {
  if (isUp(unit)) return true;
  const path = await systemd.fragment(unit.name);
  return path !== '' && (await readIfThere(path)) !== null;
}

/** The texts of the unit files of gears, by the names of the units. */
async function unitTexts(paths: HostPaths): Promise<Map<string, string>> {
  const gears = await listGears(paths);
  const texts = await Promise.all(gears.map((gear) => readIfThere(paths.unit(gear))));
  return new Map(gears.map((gear, i) => [paths.unitName(gear), texts[i] ?? '']));
}
