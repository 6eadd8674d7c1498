import { Failure } from '../../jobs/errors.ts';
import type { Gear, GearSummary } from '../../jobs/gear.ts';
import { containerName } from '../domain/paths.ts';
import { listGears, readFailedUpdate, readGear, type StoredGear } from './gear-files.ts';
import type { GearRoom } from './gear-room.ts';

/** A gear as it is now. Throws `container_not_found`. */
export async function showGear(gears: GearRoom, resource: string): Promise<Gear> {
  const gear = await readGear(gears.paths, resource);
  if (!gear) throw new Failure('container_not_found', `there is no gear ${resource}`);
  const [summary, container, failedUpdate] = await Promise.all([
    summarise(gears, gear),
    gears.docker.container(containerName(resource)),
    readFailedUpdate(gears.paths, resource),
  ]);
  return { ...summary, spec: gear.spec, container: container?.id ?? null, unitText: gear.text, failedUpdate };
}

/** All gears of the host, also the stopped ones, by name. */
export async function showGears(gears: GearRoom): Promise<GearSummary[]> {
  const names = await listGears(gears.paths);
  const all = await Promise.all(names.map((resource) => readGear(gears.paths, resource)));
  return Promise.all(all.flatMap((gear) => (gear ? [summarise(gears, gear)] : [])));
}

type Summary = Pick<Gear, 'resource' | 'host' | 'unit' | 'image' | 'ports' | 'enabled' | 'systemd'>;

async function summarise({ host, paths, systemd }: GearRoom, gear: StoredGear): Promise<Summary> {
  const unit = paths.unitName(gear.resource);
  const [{ active, sub, result, restarts, since }, enabled] = await Promise.all([
    systemd.state(unit),
    systemd.isEnabled(unit),
  ]);
  const { resource, ports, spec } = gear;
  return {
    resource,
    host,
    unit,
    image: spec.image,
    ports,
    enabled,
    systemd: { active, sub, result, restarts, since },
  };
}
