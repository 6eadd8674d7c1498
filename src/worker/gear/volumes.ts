import type { GearSpec } from '../../jobs/container.ts';
import type { Room } from '../room.ts';
import { listGears, readGear } from './gear-files.ts';

/** The volumes of a gear that are not there yet: Docker makes them when it first starts. */
export async function missingVolumes({ docker }: Room, { volumes }: GearSpec): Promise<string[]> {
  const there = await Promise.all(volumes.map(({ name }) => docker.hasVolume(name)));
  return volumes.flatMap(({ name }, i) => (there[i] ? [] : [name]));
}

/** Removes volumes that an installation has made which is taken back, but none that a gear names by now. */
export async function removeVolumes(room: Room, names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  const gears = await Promise.all((await listGears(room.paths)).map((gear) => readGear(room.paths, gear)));
  const used = new Set(gears.flatMap((gear) => gear?.spec.volumes.map(({ name }) => name) ?? []));
  for (const name of names) if (!used.has(name)) await room.docker.removeVolume(name);
}
