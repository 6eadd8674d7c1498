import { isDeepStrictEqual } from 'node:util';
import type { ErrorCode } from '../../src/jobs/errors.ts';
import type { Operation, Spec } from './operation.ts';

/** What there is, as far as one can know it from what was asked for. */
export interface World {
  gears: Map<string, Gear>;
  environments: Map<string, Record<string, string>>;
  repositories: Set<string>;
  /** Docker volumes of gears, which outlive them. */
  volumes: Set<string>;
  /** Hosts that take nothing new. */
  draining: Set<string>;
  /** The host of each of them, as it was told: `gear a` to `h1`. */
  places: Map<string, string>;
  /** What is wrong and was told before: it is told once. */
  told: Set<string>;
}

export interface Gear {
  spec: Spec;
  running: boolean;
  /** It runs after a boot. */
  enabled: boolean;
  /** The mark of the process that runs; null: none does. */
  runs: string | null;
  /** Its environment was changed since: it may be restarted where it would have been left alone. */
  stale: boolean;
  /** What is not known of it: a job that was cut short may have come to anything between before and after. */
  unsure: { running: boolean; enabled: boolean; mark: boolean };
}

/** What carrying out an operation comes to: so many starts of the gear's container, or an error that it must fail with. */
export type Effect = { starts: number; atMost: number } | { refused: ErrorCode };

export const emptyWorld = (): World => ({
  gears: new Map(),
  environments: new Map(),
  repositories: new Set(),
  volumes: new Set(),
  draining: new Set(),
  places: new Map(),
  told: new Set(),
});

export const sure = (): Gear['unsure'] => ({ running: false, enabled: false, mark: false });

const quiet: Effect = { starts: 0, atMost: 0 };

/** Carries an operation out. */
export function apply(world: World, operation: Operation): Effect {
  const { name } = operation;
  switch (operation.kind) {
    case 'install':
      return install(world, operation);
    case 'start':
    case 'stop':
    case 'restart':
      return changeRunning(world, name, operation.kind);
    case 'remove':
      return world.gears.delete(name) ? quiet : { refused: 'container_not_found' };
    case 'repository':
    case 'copy':
      if (world.repositories.has(name)) return { refused: 'repository_exists' };
      world.repositories.add(name);
      return quiet;
    case 'replace':
    case 'merge':
      return changeEnvironment(world, name, operation.kind, operation.env);
    case 'drain':
      world.draining.add(name);
      return quiet;
    case 'undrain':
      world.draining.delete(name);
      return quiet;
    default:
      return quiet;
  }
}

function install(world: World, operation: Operation & { kind: 'install' }): Effect {
  const { gears, environments, volumes } = world;
  const { name, spec, start, createOnly } = operation;
  const before = gears.get(name);
  if (createOnly && before) return { refused: 'precondition_failed' };
  if (spec.environment !== null && !environments.has(spec.environment))
    return { refused: 'environment_not_found' };
  if (spec.fails) return { refused: 'start_failed' };
  if (spec.volume !== null) volumes.add(`gear-${name}..${spec.volume}`);
  const { running = false, runs = null } = before ?? {};
  const same = before !== undefined && isDeepStrictEqual(before.spec, spec);
  const stale = before?.stale ?? false;
  if (!start) {
    gears.set(name, { spec, running, enabled: false, runs, stale, unsure: sure() });
    return quiet;
  }
  gears.set(name, { spec, running: true, enabled: true, runs: spec.mark, stale: false, unsure: sure() });
  const leftAlone = same && running && runs === spec.mark;
  return leftAlone ? { starts: 0, atMost: stale ? 1 : 0 } : { starts: 1, atMost: 1 };
}

function changeRunning({ gears }: World, name: string, kind: 'start' | 'stop' | 'restart'): Effect {
  const gear = gears.get(name);
  if (!gear) return { refused: 'container_not_found' };
  const starts = kind === 'restart' || (kind === 'start' && !gear.running) ? 1 : 0;
  gear.running = kind !== 'stop';
  if (kind === 'stop') gear.runs = null;
  else if (starts > 0) gear.runs = gear.spec.mark;
  gear.unsure.running = false;
  if (kind !== 'restart') {
    gear.enabled = kind === 'start';
    gear.unsure.enabled = false;
  }
  return { starts, atMost: starts };
}

function changeEnvironment(
  { gears, environments }: World,
  name: string,
  kind: 'replace' | 'merge',
  env: Record<string, string>,
): Effect {
  const before = environments.get(name);
  if (kind === 'merge' && !before) return { refused: 'environment_not_found' };
  environments.set(name, kind === 'merge' ? { ...before, ...env } : { ...env });
  for (const gear of gears.values()) if (gear.spec.environment === name) gear.stale = true;
  return quiet;
}

/** What of it is on one host. */
export function partOf(world: World, host: string): World {
  const { gears, environments, repositories, draining, ...more } = world;
  const isHere = (kind: string, name: string) => more.places.get(`${kind} ${name}`) === host;
  return {
    gears: new Map([...gears].filter(([name]) => isHere('gear', name))),
    environments: new Map([...environments].filter(([name]) => isHere('environment', name))),
    repositories: new Set([...repositories].filter((name) => isHere('repository', name))),
    draining: new Set([...draining].filter((name) => name === host)),
    ...more,
  };
}

/** Whether there is such a thing. */
export function isThere(world: World, resource: string): boolean {
  const { gears, environments, repositories } = world;
  const [kind, name = ''] = resource.split(' ');
  if (kind === 'host') return true;
  return { repository: repositories, environment: environments, gear: gears }[kind as 'gear'].has(name);
}

export function copyOf(world: World): World {
  const { gears, environments, repositories, volumes, draining, places, told } = world;
  return {
    gears: new Map([...gears].map(([name, gear]) => [name, { ...gear, unsure: { ...gear.unsure } }])),
    environments: new Map(environments),
    repositories: new Set(repositories),
    volumes: new Set(volumes),
    draining: new Set(draining),
    places: new Map(places),
    told: new Set(told),
  };
}
