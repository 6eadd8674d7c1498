import { Failure, problemOf } from '../../jobs/errors.ts';
import { renderEnvFile } from '../domain/env-file.ts';
import { type GearUnit, parseStored, parseUnit, type StoredGear } from '../domain/unit-file.ts';
import { isMadeFromNamed, removeStaleImages } from '../environment/environment-image.ts';
import { applyEnvironment, withEnvironment } from '../environment/refresh-environment.ts';
import { removeDurably, renameDurably, writeDurably } from '../host/files.ts';
import type { HostServices } from '../host-services.ts';
import type { JobContext } from '../jobs/context.ts';
import { isUp } from '../systemd/systemd.ts';
import {
  type Before,
  readBefore,
  readCommitted,
  readUnit,
  removeStaleValues,
  withValues,
  writeBefore,
  writeFailedUpdate,
} from './gear-files.ts';
import { ensureNetwork, releaseNetwork } from './networks.ts';
import { releaseOthers, reloadNetworkRules } from './published-ports.ts';
import { runGear, settleStopped, stopGear, untilIdle } from './run/run-gear.ts';
import { missingVolumes, removeVolumes } from './volumes.ts';

/**
 * Records the state before a change of the gear. After a crash, or an installation that could not
 * be undone, the first record stays: it is the last state known to be good. Only the outdated run
 * of the unit is determined again, and volumes that this installation makes are added.
 */
export async function openTransaction(
  context: JobContext,
  gear: StoredGear,
  current: StoredGear | null,
  pending: Before | null,
): Promise<Before> {
  const { services, job } = context;
  const { paths, systemd } = services;
  // At a boot, or when the engine comes up, gears that ran before are about to start.
  const activity = await untilIdle(context, gear.resource);
  const isNew = commandOf(current?.text ?? '') !== commandOf(gear.text);
  const unread = current === null ? activity.invocation : null;
  const last = pending ?? (await readCommitted(paths, gear.resource));
  const replaced = isNew ? unread : last ? last.replaced : '';
  const missing = await missingVolumes(services, gear);
  const before: Before = pending
    ? { ...pending, job, replaced, volumes: [...new Set([...pending.volumes, ...missing])] }
    : {
        job,
        text: current?.text ?? null,
        enabled: current !== null && (await systemd.isEnabled(paths.unitName(gear.resource))),
        active: current !== null && isUp(activity),
        replaced,
        volumes: missing,
      };
  await writeBefore(paths, gear.resource, before);
  return before;
}

/**
 * The outdated run, determined once: systemd has read the unit by then, so every later start uses
 * the new text. The engine or an operator may have restarted the gear since the unit was written.
 */
export async function outdatedRun(context: JobContext, resource: string, before: Before): Promise<string> {
  if (before.replaced !== null) return before.replaced;
  await context.services.systemd.reload();
  const { invocation } = await untilIdle(context, resource);
  await writeBefore(context.services.paths, resource, { ...before, replaced: invocation });
  return invocation;
}

/** The command in a unit's text. */
const commandOf = (text: string) => /^ExecStart=.*$/m.exec(text)?.[0] ?? '';

/** Writes the unit of a gear and the values of its environment. */
export async function writeUnit(services: HostServices, gear: StoredGear): Promise<void> {
  const { paths, gears } = services;
  // Written before the unit, because the unit names this file.
  if (gear.envTag !== null)
    await writeDurably(paths.envFile(gear.resource, gear.envTag), renderEnvFile(gear.spec.env), 0o600);
  await writeDurably(paths.unit(gear.resource), gear.text, 0o644);
  await gears.read(gear.resource);
}

/** Accepts the unit as it is: its installation can no longer be undone. */
export async function commit({ systemd, paths }: HostServices, resource: string): Promise<void> {
  await systemd.settle();
  await removeDurably(paths.failedUpdate(resource));
  await renameDurably(paths.before(resource), paths.committed(resource));
}

/**
 * Removes everything that only the unit before the last installation needed. Comes after the
 * commit: until then a rollback needs it. Can be repeated.
 */
export async function removeEarlier(services: HostServices, unit: GearUnit): Promise<void> {
  const earlier = await readCommitted(services.paths, unit.resource);
  await releaseOthers(services, unit.resource, unit.ports);
  await removeStaleValues(services.paths, unit.resource, unit.envTag);
  await removeStaleImages(services, unit.resource, unit.imageTag);
  await releaseNetwork(services, unit.resource, parseUnit(earlier?.text ?? '')?.network, unit.network);
}

/**
 * Accepts a unit that a job has just started if its installation was neither completed nor undone:
 * that job is not on record any more. Otherwise the next update that fails would undo that one,
 * too.
 */
export async function settleInstallation({ services, job }: JobContext, unit: GearUnit): Promise<void> {
  const { paths, systemd } = services;
  const before = await readBefore(paths, unit.resource);
  if (before === null) return;
  const { invocation } = await systemd.activity(paths.unitName(unit.resource));
  // Still the run before that installation, or perhaps so.
  if (before.replaced === null || before.replaced === invocation) return;
  // The lost request, sent again, must not find its work done.
  await writeBefore(paths, unit.resource, { ...before, job });
  await commit(services, unit.resource);
  await removeEarlier(services, unit);
  if (before.refresh) await applyLate(services, unit.resource, job);
}

/**
 * Undoes an installation: a first one leaves nothing, an update leaves the gear as it was before,
 * running if it ran. Returns a message for the client. Can be repeated; does nothing when there is
 * nothing to undo.
 */
export async function rollBack(context: JobContext, resource: string, why: Failure | null): Promise<string> {
  const { services } = context;
  const before = await readBefore(services.paths, resource);
  if (!before) {
    // Undoes the steps before the unit's change: reservations, and an image with the environment's
    // values.
    const current = await readUnit(services.paths, resource);
    await releaseOthers(services, resource, current?.ports ?? []);
    await removeStaleImages(services, resource, current?.imageTag ?? null);
    return '';
  }
  const failed = await readUnit(services.paths, resource);
  // If the text is unchanged, the old process still runs, or an earlier run of this has already
  // restarted it.
  if ((failed?.text ?? null) !== before.text || !before.active) await stopGear(services, resource);
  if (before.text !== null) return restore(context, resource, { ...before, text: before.text }, failed, why);
  await releaseNetwork(services, resource, failed?.network);
  await removeDurably(services.paths.unit(resource)); // Else it counts as a user of the volumes.
  await removeVolumes(services, before.volumes);
  await removeGear(services, resource);
  return '';
}

async function restore(
  context: JobContext,
  resource: string,
  before: Before & { text: string },
  failed: StoredGear | null,
  why: Failure | null,
): Promise<string> {
  const { services, job } = context;
  const { paths, systemd } = services;
  // Must come first: once the earlier unit is back, nothing shows which one failed.
  if (why && failed && failed.text !== before.text) {
    const at = new Date().toISOString();
    const error = problemOf(why.code, why.message, { job, host: services.host });
    await writeFailedUpdate(paths, resource, { job, at, error, unitText: failed.text });
  }
  // A unit that was not replaced is among those that a change of its environment finds.
  const text = failed?.text === before.text ? before.text : await earlierText(context, resource, before.text);
  // Must come before the unit, so that another run recognizes it.
  if (text !== before.text) await writeBefore(paths, resource, { ...before, text });
  const old = parseUnit(text);
  await releaseNetwork(services, resource, failed?.network, old?.network);
  await writeDurably(paths.unit(resource), text, 0o644);
  await services.gears.read(resource);
  await systemd.link(paths.unit(resource), before.enabled);
  await systemd.reload();
  await reloadNetworkRules(services);
  await releaseOthers(services, resource, old?.ports ?? []);
  if (old) await ensureNetwork(services, old);
  await removeVolumes(services, before.volumes);
  const told = before.active
    ? await runAgain(context, resource, old)
    : 'the earlier unit is back, stopped as it was';
  await removeStaleValues(paths, resource, old?.envTag ?? null);
  await removeStaleImages(services, resource, old?.imageTag ?? null);
  await removeDurably(paths.before(resource));
  if (before.refresh) await applyLate(services, resource, job);
  return told;
}

/**
 * The text of an earlier unit, with its environment as it is now. A fault does not keep an
 * installation from being undone: the unit then has the environment that it had.
 */
async function earlierText({ services, job }: JobContext, resource: string, text: string): Promise<string> {
  const unit = parseStored(resource, text);
  if (unit === null) return text;
  try {
    // Its image may be made from one whose tag has moved since: a new one would not be the same.
    if (!(await isMadeFromNamed(services, unit))) return text;
    return (await withEnvironment(services, await withValues(services.paths, unit), job)).text;
  } catch (error) {
    services.log.error(
      { err: error, resource },
      'an earlier gear does not see the change of its environment',
    );
    return text;
  }
}

/**
 * Makes a gear that is as before see a change of its environment. A fault does not repeat the
 * undoing, which would stop the gear again.
 */
async function applyLate(services: HostServices, resource: string, job: string): Promise<void> {
  await applyEnvironment(services, resource, job).catch((error: unknown) =>
    services.log.error({ err: error, resource }, 'a gear does not see the change of its environment'),
  );
}

/** Starts the earlier gear again. If it does not start either, reports that instead of throwing. */
async function runAgain({ services }: JobContext, resource: string, old: GearUnit | null): Promise<string> {
  try {
    // The job's own signal may have aborted already. The earlier gear must run again anyway, and
    // has waited once.
    const gear = old ?? { resource, ports: [], addresses: [], spec: {}, network: null };
    const { signal } = new AbortController();
    await runGear(gear, 'start', { services, tenant: null, report: () => {}, signal });
    return 'the earlier unit is back and runs';
  } catch (error) {
    if (!(error instanceof Failure) || error.transient) throw error;
    return 'the earlier unit is back but did not start either';
  }
}

/**
 * Removes a stopped gear: its unit, links, values and reservations. Affects no other gear. The gear
 * exists while its unit file is there: until then a removal that has failed can be sent again.
 */
export async function removeGear(services: HostServices, resource: string): Promise<void> {
  const { paths, systemd } = services;
  await releaseNetwork(services, resource, (await readUnit(paths, resource))?.network);
  await systemd.unlink(paths.unitName(resource));
  await settleStopped(services, resource);
  await removeStaleImages(services, resource, null);
  await removeStaleValues(paths, resource, null);
  await removeDurably(paths.unit(resource));
  await services.gears.read(resource);
  if ((await services.reservations.list(resource)).length > 0) await reloadNetworkRules(services);
  await releaseOthers(services, resource, []);
  // The records go last: while one is there, a removal finds something to do.
  for (const path of [paths.failedUpdate(resource), paths.before(resource), paths.committed(resource)])
    await removeDurably(path);
}
