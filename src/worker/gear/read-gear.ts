import type { Gear, GearSummary } from '../../jobs/gear.ts';
import { containerName } from '../domain/paths.ts';
import { environmentChangedAt } from '../environment/environment-files.ts';
import type { Room } from '../room.ts';
import { mustHaveGear, readFailedUpdate, readUnit, type StoredGear } from './gear-files.ts';

/** A gear as it is now. Throws `container_not_found`. */
export async function showGear(room: Room, resource: string): Promise<Gear> {
  const gear = await mustHaveGear(room.paths, resource);
  const [summary, container, failedUpdate, changedAt] = await Promise.all([
    summarise(room, gear),
    room.docker.container(containerName(resource)),
    readFailedUpdate(room.paths, resource),
    environmentTime(room, gear),
  ]);
  return {
    ...summary,
    spec: gear.spec,
    container: container?.id ?? null,
    environment: usedEnvironment(gear, summary, changedAt),
    unitText: gear.text,
    failedUpdate,
  };
}

async function environmentTime({ paths }: Room, { spec }: StoredGear): Promise<number | null> {
  return spec.environment === undefined ? null : environmentChangedAt(paths, spec.environment);
}

/** The process that runs has the environment as it was when it was started. */
function usedEnvironment(
  { spec }: StoredGear,
  { systemd: { active, since } }: Summary,
  changedAt: number | null,
): Gear['environment'] {
  if (spec.environment === undefined || changedAt === null) return null;
  const outdated = active === 'active' && since !== null && Date.parse(since) < changedAt;
  return { name: spec.environment, changedAt: new Date(changedAt).toISOString(), outdated };
}

/** Those of some names that are gears of the host, also the stopped ones; systemd is asked once for all of them. */
export async function showGears(
  { host, paths, systemd }: Room,
  names: readonly string[],
): Promise<GearSummary[]> {
  const found = await Promise.all(names.map((resource) => readUnit(paths, resource)));
  const gears = found.filter((gear) => gear !== null);
  const units = gears.map(({ resource }) => paths.unitName(resource));
  const [states, enabled] = await Promise.all([
    units.length > 0 ? systemd.states(units) : new Map(),
    Promise.all(units.map((unit) => systemd.isEnabled(unit))),
  ]);
  return gears.flatMap(({ resource, ports, spec }, i): GearSummary[] => {
    const unit = units[i] as string;
    const state = states.get(unit) ?? null;
    return [{ resource, host, unit, image: spec.image, ports, enabled: enabled[i] ?? null, systemd: state }];
  });
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
