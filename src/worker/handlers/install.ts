import { randomUUID } from 'node:crypto';
import { Failure, gearExists } from '../../jobs/errors.ts';
import { beyondLimits, type HostLimits } from '../../jobs/limits.ts';
import type { Params, Result } from '../../jobs/registry.ts';
import { containerName, networkOf } from '../domain/paths.ts';
import { type GearUnit, parseUnit, renderUnit, type StoredGear } from '../domain/unit-file.ts';
import { carryEnvironment, environmentOf, hasNamedImage } from '../environment/environment-image.ts';
import { refreshEnvironment } from '../environment/refresh-environment.ts';
import { type Before, readBefore, readCommitted, readGear, readUnit } from '../gear/gear-files.ts';
import { ensureNetwork } from '../gear/networks.ts';
import { publishesAlike, reloadNetworkRules, reservePorts } from '../gear/published-ports.ts';
import { hasOwnContainer, runGear } from '../gear/run/run-gear.ts';
import {
  commit,
  openTransaction,
  outdatedRun,
  removeEarlier,
  rollBack,
  writeUnit,
} from '../gear/transaction.ts';
import { assertOwners } from '../gear/volumes.ts';
import type { HostServices } from '../host-services.ts';
import { assertTakesNew } from '../host-state/draining.ts';
import { ensureImage } from '../image/ensure-image.ts';
import { type Handler, type JobContext, staysInEffect } from '../jobs/context.ts';

type Install = Params<'container.install'>;

/** Installs or updates a gear and starts it; when it fails, the host is left as it was before. */
export const install: Handler<'container.install'> = {
  async run(params, context) {
    const { resource, start } = params;
    const { services, signal, report, job } = context;
    const current = await readGear(services.paths, resource);
    const committed = await readCommitted(services.paths, resource);
    // An earlier run has committed; only the steps after that are left.
    if (current && committed?.job === job) {
      const container = start ? await services.engine.container(containerName(resource)) : null;
      return finish(services, current, committed, container?.id ?? null);
    }
    const pending = await readBefore(services.paths, resource);
    await assertMayInstall(params, current, pending, context);
    const unit = await prepare(params, current, context);
    const gear: StoredGear = { ...unit, text: renderUnit(unit, services) };
    signal.throwIfAborted();
    const before = await openTransaction(context, gear, current, pending);
    if (current?.text !== gear.text) {
      report({ step: 'unit', message: `writing ${services.paths.unitName(resource)}` });
      await writeUnit(services, gear);
    }
    if (!publishesAlike(parseUnit(before.text ?? ''), gear)) await reloadNetworkRules(services);
    await ensureNetwork(services, gear);
    await services.systemd.link(services.paths.unit(resource), start);
    const outdated = await outdatedRun(context, resource, before);
    const container = start ? await bringUp(gear, outdated, context) : null;
    await commit(services, resource);
    return finish(services, gear, before, container);
  },

  isCommitted: async ({ resource }, { services, job }) =>
    (await readCommitted(services.paths, resource))?.job === job,
  undo: ({ resource }, context, why) => rollBack(context, resource, why),

  async abandon(resource, context, why) {
    const { services, job } = context;
    if ((await readCommitted(services.paths, resource))?.job === job) {
      const unit = await readUnit(services.paths, resource);
      if (unit) await removeEarlier(services, unit);
      return staysInEffect;
    }
    const pending = await readBefore(services.paths, resource);
    // Without a file, removes what the job made before it wrote one and the unit does not name.
    return pending === null || pending.job === job ? rollBack(context, resource, why) : '';
  },
};

async function assertMayInstall(
  { resource, createOnly }: Install,
  current: StoredGear | null,
  pending: Before | null,
  context: JobContext,
): Promise<void> {
  if (createOnly && current !== null && pending?.text !== null) throw gearExists(resource);
  if (current === null) await assertTakesNew(context);
  // Checked before the transaction, because rolling a transaction back stops the unit.
  await context.services.systemd.assertOurs(context.services.paths.unit(resource));
}

/** The unit to write. Its image, its ports and its environment are on the host afterwards. */
async function prepare(params: Install, current: StoredGear | null, context: JobContext): Promise<GearUnit> {
  const { resource } = params;
  const { services, report, job } = context;
  const { gearPids, gearLogLines, publishAddress } = services.limits;
  const spec = granted(params.spec, services.limits);
  const environment = await environmentOf(services, spec);
  await assertOwners(services, resource, spec);
  report({ step: 'image', message: `looking for ${spec.image}` });
  if (current === null) await hasOwnContainer(services, resource); // Throws for a foreign one.
  await ensureImage(spec.image, context);
  report({ step: 'ports', message: 'reserving ports' });
  const ports = await reservePorts(services, resource, spec.ports, current?.ports ?? []);
  const carrier = { resource, spec, imageTag: current?.imageTag ?? null };
  return {
    resource,
    spec,
    ports,
    envTag: envTagOf(params, current, job),
    imageTag: await carryEnvironment(services, carrier, environment, job),
    pids: gearPids,
    logLines: gearLogLines,
    addresses: publishAddress,
    network: networkOf(resource, spec),
  };
}

/**
 * Fills a spec with the host's defaults. Throws `invalid_request` when it exceeds the host's
 * limits.
 */
function granted(spec: Install['spec'], limits: HostLimits): Install['spec'] {
  const beyond = beyondLimits(spec, limits);
  if (beyond !== null) throw new Failure('invalid_request', beyond);
  return { ...spec, memory: spec.memory ?? limits.gearMemory, cpus: spec.cpus ?? limits.gearCpus };
}

/** The steps after the commit; can be repeated. */
async function finish(
  services: HostServices,
  unit: StoredGear,
  before: Before,
  container: string | null,
): Promise<Result<'container.install'>> {
  const { resource, ports, spec, text } = unit;
  await removeEarlier(services, unit);
  // A job may have changed its environment before the unit named it, and missed this gear.
  if (spec.environment !== undefined)
    await refreshEnvironment(services, resource, randomUUID().replaceAll('-', ''));
  return {
    unit: services.paths.unitName(resource),
    container,
    ports,
    image: spec.image,
    changed: before.text !== text,
  };
}

/** Keeps the file of unchanged values, so that the unit's text changes only when the gear does. */
function envTagOf({ spec }: Install, current: StoredGear | null, job: string): string | null {
  if (spec.env.length === 0) return null;
  const same = JSON.stringify(current?.spec.env) === JSON.stringify(spec.env);
  return same && current?.envTag ? current.envTag : job;
}

/** Makes the gear run as its unit now says, without a restart if it already does. */
async function bringUp(unit: GearUnit, outdated: string, context: JobContext): Promise<string> {
  const how = (await runsAsWritten(context.services, unit, outdated)) ? 'start' : 'restart';
  return runGear(unit, how, context);
}

/**
 * Whether a running process was started from the current unit on disk and from the current image.
 */
async function runsAsWritten(services: HostServices, unit: GearUnit, outdated: string): Promise<boolean> {
  const { systemd, engine, paths } = services;
  const { active, sub, invocation } = await systemd.activity(paths.unitName(unit.resource));
  if (sub === 'auto-restart') return false;
  if (active !== 'active') return true; // Nothing runs: a plain start is enough.
  if (outdated === invocation) return false;
  const container = await engine.container(containerName(unit.resource));
  return container === null || hasNamedImage(services, unit, container);
}
