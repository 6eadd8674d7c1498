import { parseEnvFile } from '../../src/worker/domain/env-file.ts';
import type { Gear, World } from '../plan/world.ts';
import { checkLeftovers } from './leftovers.ts';
import type { ContainerLook, Look } from './look.ts';
import { type Violation, violation } from './violation.ts';

const unitOf = (name: string) => `gear-${name}.service`;

/** Compares a host with what the operations come to, and finds what belongs to nothing. */
export function checkState(world: World, seen: Look): Violation[] {
  return [
    ...[...world.gears].flatMap(([name, gear]) => checkGear(name, gear, seen)),
    ...checkEnvironments(world, seen),
    ...checkRepositories(world, seen),
    ...checkDraining(world, seen),
    ...checkLeftovers(world, seen),
  ];
}

/** Whether a gear runs as systemd and Docker have it; null: they do not agree. */
export function runs(name: string, seen: Look): boolean | null {
  const active = seen.units.get(unitOf(name))?.active ?? 'inactive';
  const running = seen.containers.get(`gear-${name}`)?.running === true;
  if (active === 'active' && running) return true;
  return (active === 'inactive' || active === 'failed') && !running ? false : null;
}

export const isEnabled = (name: string, seen: Look) =>
  seen.wanted.some((unit) => unit.includes(unitOf(name)));

function checkGear(name: string, gear: Gear, seen: Look): Violation[] {
  const wrong = (what: string) => [violation('wrong', `gear ${name}: ${what}`)];
  const unit = unitOf(name);
  if (!seen.files.units.includes(unit)) return wrong('it has no unit file');
  if (!seen.linked.includes(unit)) return wrong('its unit is not linked into systemd');
  const { active = 'not loaded', sub = '' } = seen.units.get(unit) ?? {};
  const container = seen.containers.get(`gear-${name}`);
  const now = `${active} ${sub}, container ${container ? (container.running ? 'runs' : 'ended') : 'absent'}`;
  const running = runs(name, seen);
  const found: Violation[] = [];
  if (running === null) found.push(...wrong(`systemd and Docker differ (${now})`));
  else if (running !== gear.running && !gear.unsure.running)
    found.push(...wrong(`it is to ${gear.running ? 'run' : 'stand still'} (${now})`));
  const enabled = seen.wanted.map((wants) => wants.includes(unit));
  const expected = gear.unsure.enabled ? enabled[0] : gear.enabled;
  if (enabled.some((one) => one !== expected))
    found.push(
      ...wrong(`it is ${gear.enabled ? '' : 'not '}to be started at boot and with Docker (${enabled})`),
    );
  return [...found, ...checkContainer(name, gear, container, seen)];
}

function checkContainer(
  name: string,
  gear: Gear,
  container: ContainerLook | undefined,
  seen: Look,
): Violation[] {
  if (!container?.running) return [];
  const wrong = (what: string) => [violation('wrong', `gear ${name}: ${what}`)];
  const { mark, ports } = container;
  const marks = gear.unsure.running || gear.unsure.mark ? [gear.runs, gear.spec.mark] : [gear.runs];
  const found = marks.includes(mark) ? [] : wrong(`mark ${mark} runs, not ${gear.runs}`);
  // What runs on as it was, after an update that started nothing, holds its old port by listening.
  if (gear.spec.mark !== mark) return found;
  if (gear.spec.port !== null && (ports.length !== 1 || (gear.spec.port > 0 && ports[0] !== gear.spec.port)))
    found.push(...wrong(`it publishes ${ports}, not ${gear.spec.port || 'one port'}`));
  for (const port of ports)
    if (seen.ports.get(port) !== unitOf(name))
      found.push(...wrong(`its port ${port} is not reserved for it`));
  return found;
}

function checkEnvironments({ environments }: World, seen: Look): Violation[] {
  const all = new Set([...environments.keys(), ...seen.environments.keys()]);
  return [...all].flatMap((name) => {
    const expected = environments.get(name);
    const text = seen.environments.get(name);
    const found =
      text === undefined
        ? undefined
        : Object.fromEntries(parseEnvFile(text).map((one) => [one.name, one.value]));
    if (sorted(expected) === sorted(found)) return [];
    return [violation('wrong', `environment ${name}: ${sorted(found)}, not ${sorted(expected)}`)];
  });
}

const sorted = (env: Record<string, string> | undefined) =>
  env ? JSON.stringify(Object.entries(env).sort()) : 'absent';

function checkDraining({ draining }: World, seen: Look): Violation[] {
  if (draining.size > 0 === seen.draining) return [];
  return [
    violation(
      'wrong',
      `the host ${seen.draining ? 'takes nothing new' : 'takes what is new, though it drains'}`,
    ),
  ];
}

function checkRepositories({ repositories }: World, seen: Look): Violation[] {
  return [
    ...[...repositories]
      .filter((name) => !seen.repositories.has(name))
      .map((name) => violation('wrong', `repository ${name} is absent`)),
    ...[...seen.repositories].flatMap(([name, fault]) => {
      if (!repositories.has(name)) return [violation('orphan', `repository ${name} is there still`)];
      return fault === null ? [] : [violation('wrong', `repository ${name} is not whole: ${fault}`)];
    }),
  ];
}
