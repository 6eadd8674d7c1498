import { createLocks } from '../../lib/locks.ts';
import type { HostPaths } from '../domain/paths.ts';
import { listGears, readUnit } from './gear-files.ts';

/** What the gears of a host have been allocated, as their units say it. In memory, for it is told every few seconds. */
export interface Allocations {
  /** Reads the units of all gears. */
  readAll(): Promise<void>;
  /** Reads the unit of one gear. */
  read(gear: string): Promise<void>;
  /** `memory`: bytes. */
  sum(): { gears: number; memory: number; ports: number[] };
}

export function createAllocations(paths: HostPaths): Allocations {
  let allocated = new Map<string, { memory: number; ports: number[] }>();
  /** One after the other, or what was read first could be kept last. */
  const turns = createLocks();
  const readInto = async (map: typeof allocated, gear: string) => {
    const unit = await readUnit(paths, gear);
    if (!unit) return void map.delete(gear);
    const ports = unit.ports.map(({ external }) => external);
    map.set(gear, { memory: unit.spec.memory ?? 0, ports });
  };
  return {
    readAll: () =>
      turns.hold('', async () => {
        const fresh: typeof allocated = new Map();
        await Promise.all((await listGears(paths)).map((gear) => readInto(fresh, gear)));
        allocated = fresh;
      }),
    read: (gear) => turns.hold('', () => readInto(allocated, gear)),
    sum() {
      const all = [...allocated.values()];
      return {
        gears: all.length,
        memory: all.reduce((sum, { memory }) => sum + memory, 0),
        ports: all.flatMap(({ ports }) => ports).sort((a, b) => a - b),
      };
    },
  };
}
