import { createLocks } from '../../lib/async/locks.ts';
import type { HostPaths } from '../domain/paths.ts';
import type { GearUnit } from '../domain/unit-file.ts';
import { listGears, readUnit } from './gear-files.ts';

/**
 * A host's gears in memory, as their units describe them: geard announces them every few seconds
 * and lists them often. A manual change of a unit counts once all units are compared with the disk.
 */
export interface GearIndex {
  /** Reads the units of all gears. */
  readAll(): Promise<void>;
  /** Reads the unit of one gear after a change. */
  read(gear: string): Promise<void>;
  get(gear: string): IndexedGear | undefined;
  all(): IndexedGear[];
}

export interface IndexedGear extends Pick<GearUnit, 'resource' | 'ports'> {
  image: string;
  /** Bytes promised to it. */
  memory: number;
}

export function createGearIndex(paths: HostPaths): GearIndex {
  let index = new Map<string, IndexedGear>();
  /** Serializes reads: otherwise an older read could overwrite a newer one. */
  const turns = createLocks();
  const readInto = async (map: typeof index, gear: string) => {
    const unit = await readUnit(paths, gear);
    if (!unit) return void map.delete(gear);
    const { resource, ports, spec } = unit;
    map.set(gear, { resource, ports, image: spec.image, memory: spec.memory ?? 0 });
  };
  return {
    readAll: () =>
      turns.hold('', async () => {
        const fresh: typeof index = new Map();
        await Promise.all((await listGears(paths)).map((gear) => readInto(fresh, gear)));
        index = fresh;
      }),
    read: (gear) => turns.hold('', () => readInto(index, gear)),
    get: (gear) => index.get(gear),
    all: () => [...index.values()],
  };
}
