import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Drift } from '../../jobs/rpc/drift.ts';
import { readIfThere } from '../../lib/files/replace-file.ts';
import { findDrift } from '../domain/drift.ts';
import { containerName } from '../domain/paths.ts';
import type { HostServices } from '../host-services.ts';
import { gearUnitPattern } from '../systemd/unit-links.ts';

/** What of this host is otherwise than geard has made it. */
export async function lookForDrift(services: HostServices): Promise<Drift> {
  const { paths, systemd, engine, directory } = services;
  // A job may begin or end while we look: what it works on counts as busy if it was so before or
  // after.
  const before = [...services.busy];
  const [{ links, halfWanted }, loaded, containers, networks, held, units] = await Promise.all([
    systemd.links(),
    systemd.loaded('gear-*.service'),
    engine.containersNamed(containerName('')),
    engine.networks(),
    directory.held('gear'),
    readUnits(paths.units),
  ]);
  const busy = new Set([...before, ...services.busy]);
  const strangers = loaded.filter(({ name }) => !units.has(name) && !links.has(name));
  const real = await Promise.all(strangers.map((unit) => isThere(services, unit)));
  const found = strangers.filter((_, i) => real[i]).map(({ name }) => name);
  const networkNames = networks.map(({ name }) => name);
  const seen = { units, links, halfWanted, containers, held, busy };
  return findDrift({ ...seen, loaded: found, networks: networkNames }, services);
}

/** systemd remembers for a while what has been removed, or was only asked for. */
async function isThere(
  { systemd }: HostServices,
  { name, active }: { name: string; active: string },
): Promise<boolean> {
  if (active !== 'inactive' && active !== 'failed') return true;
  const path = await systemd.fragment(name);
  return path !== '' && (await readIfThere(path)) !== null;
}

async function readUnits(directory: string): Promise<Map<string, string>> {
  const names = (await readdir(directory)).filter((name) => gearUnitPattern.test(name));
  const texts = await Promise.all(names.map((name) => readIfThere(join(directory, name))));
  return new Map(names.map((name, i) => [name, texts[i] ?? '']));
}
