import { Gauge } from '../../lib/metrics/metric.ts';
import type { HostServices } from '../host-services.ts';

const states = ['active', 'reloading', 'inactive', 'failed', 'activating', 'deactivating'];
const gears = new Gauge('geard_gears', 'Gears of the host by the state of their units in systemd', {
  active: states,
});

/** Queries systemd for the gears when metrics are read. */
export function watchGears({ systemd, gears: index, paths }: HostServices): void {
  gears.measuredBy(async () => {
    const loaded = new Map((await systemd.loaded()).map(({ name, active }) => [name, active]));
    const counts = new Map(states.map((active) => [active, 0]));
    for (const { resource } of index.all()) {
      const active = loaded.get(paths.unitName(resource)) ?? 'inactive';
      counts.set(active, (counts.get(active) ?? 0) + 1);
    }
    return [...counts].map(([active, count]) => [{ active }, count]);
  });
}
