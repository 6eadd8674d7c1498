import { Failure } from '../../../jobs/errors.ts';
import { containerName } from '../../domain/paths.ts';
import type { GearUnit } from '../../domain/unit-file.ts';
import { endUnit } from '../../engine/end-unit.ts';
import { runOfEngine } from '../../engine/service.ts';
import { portIsFree } from '../../host/ports.ts';
import type { HostServices } from '../../host-services.ts';
import type { JobContext } from '../../jobs/context.ts';
import { waitFor } from '../../jobs/wait-for.ts';
import { isUp, type UnitActivity } from '../../systemd/systemd.ts';
import { ensureNetwork } from '../networks.ts';
import { type StartSymptom, startFailure } from './start-failure.ts';
import { watchStart } from './watch-start.ts';

/** Timeout for others' jobs in systemd, in milliseconds; exceeds the unit's TimeoutStopSec. */
const othersDeadline = 60_000;

/** The parts of a gear that its start depends on. */
interface Startable extends Pick<GearUnit, 'resource' | 'ports' | 'addresses' | 'network'> {
  spec: Pick<GearUnit['spec'], 'startSeconds'>;
}

/**
 * Starts or restarts the gear's unit and waits until it runs and listens. Returns its container's
 * id. Throws `start_failed`, with the last lines of its log, when its process ends or does not
 * listen in time; `port_taken` when another program has taken one of its ports; and a transient
 * `host_unavailable` when the engine has taken it down.
 */
export async function runGear(
  gear: Startable,
  how: 'start' | 'restart',
  context: Pick<JobContext, 'services' | 'report' | 'signal'> & {
    /** The tenant whose turn it takes; null: it starts at once. */
    tenant: string | null;
  },
): Promise<string> {
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
    const watch = watchStart({ services, report, signal, gear, seconds, failure, onRunning: release });
    try {
      const result = await systemd[how](unit, signal);
      if (result !== 'done') throw await failure({ systemdSays: result });
      // systemd reads new links while the gear comes up.
      const [container] = await Promise.all([watch.ready(), systemd.settle()]);
      return container;
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
  const { load, needsReload } = await systemd.state(unit);
  // systemd finds a new unit by the time at which its directory has changed. Before Linux 6.13 two
  // changes within some milliseconds have the same one. A running unit whose link was removed and
  // is back is in error until a reload.
  if (needsReload || load !== 'loaded') await systemd.reload();
  // A cleanup of the engine (`docker network prune`) removes the networks of stopped gears.
  await ensureNetwork(services, gear);
  const activity = await systemd.activity(unit);
  if (isUp(activity) || activity.pending) return;
  await assertPortsFree(gear);
  // A container of this name that no unit runs any more would block the new one.
  if (await hasOwnContainer(services, gear.resource))
    await engine.removeContainer(containerName(gear.resource));
}

/** Whether there is a container of the gear. Throws when geard has not made the one of its name. */
export async function hasOwnContainer({ engine }: HostServices, resource: string): Promise<boolean> {
  const name = containerName(resource);
  const found = await engine.container(name);
  if (found === null) return false;
  if (found.gear === resource) return true;
  const detail = `${engine.name} has a container ${name} that geard has not made; remove it from the host first`;
  throw new Failure('internal', detail);
}

/**
 * The unit's activity once systemd has finished the jobs of others: a cancelled restart, an
 * operator, the engine coming up. Later jobs in systemd are our own. Throws a transient
 * `host_unavailable` when that takes too long.
 */
export async function untilIdle({ services, signal }: JobContext, resource: string): Promise<UnitActivity> {
  const unit = services.paths.unitName(resource);
  const look = async () => {
    const activity = await services.systemd.activity(unit);
    return activity.pending ? null : activity;
  };
  return waitFor(look, othersDeadline, `systemd is still busy with ${unit}`, signal);
}

async function assertPortsFree({ ports, addresses }: Startable): Promise<void> {
  for (const { external } of ports) {
    if (!(await portIsFree(external, addresses))) {
      throw new Failure(
        'port_taken',
        `a program on the host uses the external port ${external}; stop it, or install the gear with another port`,
      );
    }
  }
}

/**
 * Stops the gear, now and after every reboot. Waits until its container is gone and systemd knows
 * that nothing wants it.
 */
export async function stopGear(services: HostServices, resource: string): Promise<void> {
  await services.systemd.disable(services.paths.unitName(resource));
  await endRun(services, resource);
  await settleStopped(services, resource);
}

/**
 * Makes systemd notice that nothing wants a stopped gear. Until then a start of the engine may have
 * brought it back, so this stops it again.
 */
export async function settleStopped(services: HostServices, resource: string): Promise<void> {
  await services.systemd.settle();
  await endRun(services, resource);
}

/** Stops the gear's unit and waits until it has stopped and its container is gone. */
export async function endRun(services: HostServices, resource: string): Promise<void> {
  const { systemd, engine, paths } = services;
  const unit = paths.unitName(resource);
  const container = containerName(resource);
  const { load, active } = await systemd.state(unit);
  if (load !== 'not-found' || active !== 'inactive')
    await endUnit(services, { unit, container, what: `the gear ${resource}` });
  // One of the operator's under this name stays.
  if ((await engine.container(container))?.gear === resource) await engine.removeContainer(container);
}
