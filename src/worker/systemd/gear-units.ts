import type { Bus } from './bus.ts';
import { managerObject, managerOf } from './systemd-jobs.ts';

/** A unit in systemd's memory, with its ActiveState and SubState. */
export interface LoadedUnit {
  name: string;
  active: string;
  sub: string;
}

/**
 * Lists gears' units, also while systemd reloads. systemd answers no call then (a tenth of a second
 * on a host with a hundred units) and changes no unit, so the list from just before the reload
 * holds until its end. It does not hold if a job ended after it was made: who waited for that job
 * must see its effect.
 */
export function listGearUnits(bus: Bus) {
  const manager = managerOf(bus);
  let beforeReload: LoadedUnit[] | null = null;
  const forget = () => {
    beforeReload = null;
  };
  bus.onSignal({ interface: managerObject.interface, member: 'JobRemoved' }, forget);

  async function list(): Promise<LoadedUnit[]> {
    const [units] = await manager('ListUnitsByPatterns', 'asas', [[], ['gear-*.service']]);
    return (units as string[][]).map(([name, , , active, sub]) => ({
      name: String(name),
      active: String(active),
      sub: String(sub),
    }));
  }

  return {
    loaded: async (): Promise<LoadedUnit[]> => beforeReload ?? list(),
    /** Makes systemd read all units again. */
    async reload(): Promise<void> {
      let isReloading = true;
      // systemd answers calls of one connection in their order.
      list().then(
        (units) => {
          if (isReloading) beforeReload = units;
        },
        () => undefined, // The reload fails, too, or reads wait for its end.
      );
      try {
        await manager('Reload');
      } finally {
        isReloading = false;
        forget();
      }
    },
  };
}
