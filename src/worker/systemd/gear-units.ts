import type { Bus } from './bus.ts';
import { managerObject, managerOf } from './systemd-jobs.ts';

/** A unit in systemd's memory, with its ActiveState and SubState. */
export interface LoadedUnit {
  name: string;
  active: string;
  sub: string;
}

/** The beginning of an entry of ListUnitsByPatterns. */
type ListedUnit = [name: string, description: string, load: string, active: string, sub: string];

/**
 * Lists gears' units, also while systemd reloads. systemd answers no call then, for 40 to 160 ms on
 * a host of two cores, and runs no job. So the list from just before the reload is the answer until
 * its end, unless a job has ended since the list was sent for: a client that was told so must see
 * the effect.
 */
export function createGearUnits(bus: Bus) {
  const manager = managerOf(bus);
  let beforeReload: LoadedUnit[] | null = null;
  let jobsEnded = 0;
  bus.onSignal({ interface: managerObject.interface, member: 'JobRemoved' }, () => {
    jobsEnded++;
    beforeReload = null;
  });

  async function list(): Promise<LoadedUnit[]> {
    const [units] = await manager('ListUnitsByPatterns', 'asas', [[], ['gear-*.service']]);
    return (units as ListedUnit[]).map(([name, , , active, sub]) => ({ name, active, sub }));
  }

  return {
    loaded: async (): Promise<LoadedUnit[]> => beforeReload ?? list(),
    /** Makes systemd read all units again. */
    async reload(): Promise<void> {
      let isReloading = true;
      const before = jobsEnded;
      // systemd answers calls of one connection in their order.
      list().then(
        (units) => {
          if (isReloading && jobsEnded === before) beforeReload = units;
        },
        () => undefined, // The reload fails, too, or reads wait for its end.
      );
      try {
        await manager('Reload');
      } finally {
        isReloading = false;
        beforeReload = null;
      }
    },
  };
}
