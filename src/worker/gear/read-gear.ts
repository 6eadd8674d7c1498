import type { Gear, GearSummary } from '../../jobs/types/container-reads.ts';
import { containerName, environmentImage } from '../domain/paths.ts';
import type { StoredGear } from '../domain/unit-file.ts';
import type { ContainerState } from '../engine/engine.ts';
import { environmentChangedAt } from '../environment/environment-files.ts';
import { hasNamedImage } from '../environment/environment-image.ts';
import { hideValues } from '../environment/hidden-values.ts';
import type { HostServices } from '../host-services.ts';
import type { UnitState } from '../systemd/systemd.ts';
import { readFailedUpdate, requireGear, withValues } from './gear-files.ts';

/**
 * The current state of a gear. `values`: whether to include the values of its variables. Throws
 * `container_not_found`.
 */
export async function showGear(services: HostServices, resource: string, values: boolean): Promise<Gear> {
  const { host, paths, systemd, engine, hashKey } = services;
  const gear = await withValues(paths, await requireGear(paths, resource));
  const { spec, ports } = gear;
  const unit = paths.unitName(resource);
  const [{ active, sub, result, restarts, since }, enabled, container, failedUpdate] = await Promise.all([
    systemd.state(unit),
    systemd.isEnabled(unit),
    engine.container(containerName(resource)),
    readFailedUpdate(paths, resource),
  ]);
  return {
    resource,
    host,
    unit,
    image: spec.image,
    ports,
    enabled,
    systemd: { active, sub, result, restarts, since },
    spec: { ...spec, env: values ? spec.env : hideValues(spec.env, hashKey) },
    container: container?.id ?? null,
    environment: await usedEnvironment(services, gear, container, active === 'active' ? since : null),
    unitText: gear.text,
    failedUpdate,
  };
}

/**
 * The environment that a gear uses; null: none. `since`: when its process started, which has the
 * environment of that time, unless its image carries another one; null: it does not run.
 */
async function usedEnvironment(
  services: HostServices,
  gear: StoredGear,
  container: ContainerState | null,
  since: string | null,
): Promise<Gear['environment']> {
  const { environment: name } = gear.spec;
  if (name === undefined) return null;
  const changedAt = await environmentChangedAt(services.paths, name);
  if (changedAt === null) return null;
  const outdated =
    since !== null && (Date.parse(since) < changedAt || (await carriesOther(services, gear, container)));
  return { name, changedAt: new Date(changedAt).toISOString(), outdated };
}

/**
 * Whether the image of a container carries another environment than its unit now does: the gear may
 * have started after the change of the environment and before that of the unit.
 */
async function carriesOther(
  services: HostServices,
  gear: StoredGear,
  container: ContainerState | null,
): Promise<boolean> {
  if (container === null) return false;
  if (gear.imageTag === null) return container.image.startsWith(environmentImage(gear.resource, ''));
  return !(await hasNamedImage(services, gear, container));
}

/** systemd's view of all gears together. */
export interface UnitStates {
  states: Map<string, Pick<UnitState, 'active' | 'sub'>>;
  enabled: Set<string>;
}

/** Queries systemd once for all gears: it has more work with each gear queried by name. */
export async function readUnitStates({ systemd }: HostServices): Promise<UnitStates> {
  const [loaded, enabled] = await Promise.all([systemd.loaded(), systemd.enabled()]);
  return { states: new Map(loaded.map(({ name, active, sub }) => [name, { active, sub }])), enabled };
}

/** The state of a unit that systemd does not have in memory. */
const notLoaded = { active: 'inactive', sub: 'dead' };

/** Summaries of the names that are gears of the host, including stopped ones. */
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
