import type { Gear, GearSummary } from '../../jobs/rpc/queries.ts';
import { containerName } from '../domain/paths.ts';
import { environmentChangedAt } from '../environment/environment-files.ts';
import { hideValues } from '../environment/hidden-values.ts';
import type { HostServices } from '../host-services.ts';
import type { UnitState } from '../systemd/systemd.ts';
import { readFailedUpdate, requireGear, type StoredGear } from './gear-files.ts';

/** A gear as it is now; `values`: whether with the values of its variables. Throws `container_not_found`. */
export async function showGear(services: HostServices, resource: string, values: boolean): Promise<Gear> {
  const gear = await requireGear(services.paths, resource);
  const [summary, container, failedUpdate, changedAt] = await Promise.all([
    summarise(services, gear),
    services.engine.container(containerName(resource)),
    readFailedUpdate(services.paths, resource),
    environmentTime(services, gear),
  ]);
  return {
    ...summary,
    spec: { ...gear.spec, env: values ? gear.spec.env : hideValues(gear.spec.env, services.hashKey) },
    container: container?.id ?? null,
    environment: usedEnvironment(gear, summary, changedAt),
    unitText: gear.text,
    failedUpdate,
  };
}

async function environmentTime({ paths }: HostServices, { spec }: StoredGear): Promise<number | null> {
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

/** What systemd knows of all gears together. */
export interface UnitStates {
  states: Map<string, Pick<UnitState, 'active' | 'sub'>>;
  enabled: Set<string>;
}

/** Asks systemd once for all gears: it has more to do for each that it is asked for by name. */
export async function readUnitStates({ systemd }: HostServices): Promise<UnitStates> {
  const [loaded, enabled] = await Promise.all([systemd.loaded('gear-*.service'), systemd.enabled()]);
  return { states: new Map(loaded.map(({ name, active, sub }) => [name, { active, sub }])), enabled };
}

/** What systemd does not have in memory. */
const notLoaded = { active: 'inactive', sub: 'dead' };

/** Those of some names that are gears of the host, also the stopped ones. */
export function showGears(
  { host, paths, gears }: HostServices,
  names: readonly string[],
  { states, enabled }: UnitStates,
): GearSummary[] {
  return names.flatMap((name): GearSummary[] => {
    const gear = gears.get(name);
    if (!gear) return [];
    const { resource, image, ports } = gear;
    const unit = paths.unitName(name);
    const systemd = states.get(unit) ?? notLoaded;
    return [{ resource, host, unit, image, ports, enabled: enabled.has(unit), systemd }];
  });
}

type Summary = Pick<Gear, 'resource' | 'host' | 'unit' | 'image' | 'ports' | 'enabled' | 'systemd'>;

async function summarise({ host, paths, systemd }: HostServices, gear: StoredGear): Promise<Summary> {
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
