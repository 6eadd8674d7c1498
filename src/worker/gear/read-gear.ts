import { Failure } from '../../jobs/errors.ts';
import type { Gear, GearSummary } from '../../jobs/gear.ts';
import { containerName } from '../domain/paths.ts';
import { listGears, readFailedUpdate, readGear, type StoredGear } from './gear-files.ts';
import type { Room } from '../room.ts';

/** A gear as it is now. Throws `container_not_found`. */
export async function showGear(room: Room, resource: string): Promise<Gear> {
  const gear = await readGear(room.paths, resource);
  if (!gear) throw new Failure('container_not_found', `there is no gear ${resource}`);
  const [summary, container, failedUpdate] = await Promise.all([
    summarise(room, gear),
    room.docker.container(containerName(resource)),
    readFailedUpdate(room.paths, resource),
  ]);
  return { ...summary, spec: gear.spec, container: container?.id ?? null, unitText: gear.text, failedUpdate };
}

/** All gears of the host, also the stopped ones, by name. */
export async function showGears(room: Room): Promise<GearSummary[]> {
  const names = await listGears(room.paths);
  const all = await Promise.all(names.map((resource) => readGear(room.paths, resource)));
  return Promise.all(all.flatMap((gear) => (gear ? [summarise(room, gear)] : [])));
}

type Summary = Pick<Gear, 'resource' | 'host' | 'unit' | 'image' | 'ports' | 'enabled' | 'systemd'>;

async function summarise({ host, paths, systemd }: Room, gear: StoredGear): Promise<Summary> {
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
