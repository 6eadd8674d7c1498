import { Failure } from '../../jobs/errors.ts';
import { engineVolume } from '../domain/paths.ts';
import type { GearUnit } from '../domain/unit-file.ts';
import type { HostServices } from '../host-services.ts';
import { readUnit, readUnits } from './gear-files.ts';

const volumesOf = ({ resource, spec }: Pick<GearUnit, 'resource' | 'spec'>) =>
  spec.volumes.map((volume) => engineVolume(resource, volume));

/**
 * Refuses to share a volume of a gear that is not on this host: the engine would make an empty one.
 */
export async function assertOwners(
  { paths }: HostServices,
  resource: string,
  { volumes }: GearUnit['spec'],
): Promise<void> {
  for (const { name, of } of volumes) {
    if (of !== undefined && of !== resource && !(await readUnit(paths, of)))
      throw new Failure(
        'container_not_found',
        `there is no gear ${of} on the host to share its volume ${name}`,
      );
  }
}

/** The volumes of a gear that do not exist yet: the engine makes them at its first start. */
export async function missingVolumes({ engine }: HostServices, unit: GearUnit): Promise<string[]> {
  const names = volumesOf(unit);
  const there = await Promise.all(names.map((name) => engine.hasVolume(name)));
  return names.filter((_, i) => !there[i]);
}

/** Removes volumes that an undone installation has made, except those that a gear uses by now. */
export async function removeVolumes(services: HostServices, names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  const used = new Set((await readUnits(services.paths)).flatMap(volumesOf));
  for (const name of names) if (!used.has(name)) await services.engine.removeVolume(name);
}
