import { Failure } from '../../../jobs/errors.ts';
import { pause } from '../../../lib/async/pause.ts';
import { containerName } from '../../domain/paths.ts';
import type { GearUnit } from '../../domain/unit-file.ts';
import { runOfEngine } from '../../engine/service.ts';
import { portIsFree } from '../../host/ports.ts';
import type { HostServices } from '../../host-services.ts';
import type { JobContext } from '../../jobs/context.ts';
import type { UnitActivity } from '../../systemd/systemd.ts';
import { ensureNetwork } from '../networks.ts';
import { type StartSymptom, startFailure } from './start-failure.ts';
import { untilReady } from './until-ready.ts';

/** Milliseconds systemd may take for a start or a stop: more than the unit's own TimeoutStopSec. */
const systemdDeadline = 60_000;

/** Milliseconds the engine may take to make a container. */
const engineDeadline = 20_000;

/** What of a gear its start depends on. */
interface Startable extends Pick<GearUnit, 'resource' | 'ports' | 'addresses' | 'network'> {
  spec: Pick<GearUnit['spec'], 'startSeconds'>;
}

/**
 * Starts the gear's unit, or restarts it, and waits until it runs and listens. Throws
 * `start_failed` when its process ends instead or does not listen in time, with the last lines of
 * its log, `port_taken` when somebody else has taken one of its ports meanwhile, and a transient
 * `host_unavailable` where the engine has taken it down.
 */
export async function runGear(
  gear: Startable,
  how: 'start' | 'restart',
  context: Pick<JobContext, 'services' | 'report' | 'signal'> & {
    /** In whose turn it is started; null: at once. */
    tenant: string | null;
  },
): Promise<{ container: string }> {
  const { services, tenant, report, signal } = context;
  const { systemd, paths } = services;
  const unit = paths.unitName(gear.resource);
  const release = tenant === null ? () => undefined : await services.starts.wait(tenant, signal);
  try {
    await prepareStart(services, gear);
    report({ step: 'start', message: `${how === 'start' ? 'starting' : 'restarting'} ${unit}` });
    const engineBefore = await runOfEngine(services);
    const failure = (symptom: StartSymptom) => startFailure(services, gear.resource, engineBefore, symptom);
    const seconds = gear.spec.startSeconds ?? services.startSeconds;
    const watch = untilReady({ services, report, signal, gear, seconds, failure, onRunning: release });
    try {
      const result = await systemd[how](unit, { signal, deadlineMs: systemdDeadline });
      if (result !== 'done') throw await failure({ systemdSays: result });
      // systemd reads new links while the gear comes up.
      const [container] = await Promise.all([watch.ready(), systemd.settle()]);
      return { container };
    } finally {
      watch.close();
    }
  } finally {
    release();
  }
}

/** Makes sure that nothing stands in the way of a start. Throws `port_taken`. */
async function prepareStart(services: HostServices, gear: Startable): Promise<void> {
  const { systemd, engine, paths } = services;
  const unit = paths.unitName(gear.resource);
  if ((await systemd.state(unit)).needsReload) await systemd.reload();
  // Whoever tidies up in the engine (`docker network prune`) takes the networks of gears that are
  // stopped.
  await ensureNetwork(services, gear);
  const { active, pending } = await systemd.activity(unit);
  if ((active !== 'inactive' && active !== 'failed') || pending) return;
  await assertPortsFree(gear);
  // A container of this name that no unit runs any more would stand in the way of the new one.
  await engine.removeContainer(containerName(gear.resource));
}

/**
 * What the unit is doing once systemd has finished with what others had asked of it: a restart that
 * was cancelled, an operator, the engine coming up. What a job has systemd do then is its own.
 * Throws a transient `host_unavailable` where that takes too long.
 */
export async function untilIdle(
  { services, signal }: Pick<JobContext, 'services' | 'signal'>,
  resource: string,
): Promise<UnitActivity> {
  const unit = services.paths.unitName(resource);
  const look = async () => {
    const activity = await services.systemd.activity(unit);
    return activity.pending ? null : activity;
  };
  return waitFor(look, systemdDeadline, `systemd is not done with ${unit}`, signal);
}

/**
 * Looks until there is something. Throws a transient `host_unavailable` with the detail when the
 * deadline (milliseconds) is over.
 */
async function waitFor<T>(
  look: () => Promise<T | null>,
  deadline: number,
  detail: string,
  signal?: AbortSignal,
): Promise<T> {
  const until = performance.now() + deadline;
  for (;;) {
    const found = await look();
    if (found !== null) return found;
    if (performance.now() > until) throw new Failure('host_unavailable', detail, { transient: true });
    await pause(50, signal);
  }
}

async function assertPortsFree({ ports, addresses }: Startable): Promise<void> {
  for (const { external } of ports) {
    if (!(await portIsFree(external, addresses))) {
      throw new Failure('port_taken', `the external port ${external} is taken by a program that is no gear`);
    }
  }
}

/**
 * Stops the gear, now and after every reboot, and waits until its container is gone and systemd
 * knows it.
 */
export async function stopGear(services: HostServices, resource: string): Promise<void> {
  await services.systemd.disable(services.paths.unitName(resource));
  await endRun(services, resource);
  await settleStopped(services, resource);
}

/**
 * Has systemd know that nothing wants a gear that was stopped. Until then a start of the engine may
 * have brought it back, which is ended as well.
 */
export async function settleStopped(services: HostServices, resource: string): Promise<void> {
  await services.systemd.settle();
  await endRun(services, resource);
}

/** Stops the gear's unit and waits until it has stopped and its container is gone. */
export async function endRun(services: HostServices, resource: string): Promise<void> {
  const { systemd, engine, paths } = services;
  const unit = paths.unitName(resource);
  const { load, active } = await systemd.state(unit);
  if (load !== 'not-found' || active !== 'inactive') {
    await containerIsMade(services, resource);
    const result = await systemd.stop(unit, { deadlineMs: systemdDeadline });
    if (result !== 'done') {
      const detail = `systemd has not stopped ${unit} (${result})`;
      throw new Failure('host_unavailable', detail, { transient: true });
    }
    await systemd.resetFailed(unit);
  }
  await engine.removeContainer(containerName(resource));
}

/**
 * Waits for the container of a unit that has just been started. The engine makes it also where its
 * client is stopped meanwhile; it would be there after all is removed, with the values of the gear.
 * Throws a transient `host_unavailable` where that takes too long.
 */
async function containerIsMade({ systemd, engine, paths }: HostServices, resource: string): Promise<void> {
  const look = async () => {
    const { sub } = await systemd.activity(paths.unitName(resource));
    const starts = /^(start|running)$/.test(sub);
    return !starts || (await engine.container(containerName(resource))) ? true : null;
  };
  await waitFor(look, engineDeadline, `${engine.name} is still making the container of the gear ${resource}`);
}
