import type { PublishedPort } from '../../jobs/container.ts';
import { Failure } from '../../jobs/errors.ts';
import type { JobContext } from '../context.ts';
import { containerName } from '../domain/paths.ts';
import { portIsFree } from '../host/ports.ts';
import { startFailure } from './start-failure.ts';
import { untilReady } from './until-ready.ts';

/** Milliseconds systemd may take for a start or a stop: more than the unit's own TimeoutStopSec. */
const systemdDeadline = 60_000;

export interface Running {
  /** The container's id. */
  container: string;
  /** Internal ports on which nothing listened when we stopped waiting; the gear runs all the same. */
  silentPorts: number[];
}

/**
 * Starts the gear's unit, or restarts it, and waits until it is known to run. Throws `start_failed` with the exit
 * status and the last lines of its log when its process ends instead, and `port_taken` when somebody else has
 * taken one of its ports meanwhile.
 */
export async function runGear(
  resource: string,
  ports: PublishedPort[],
  how: 'start' | 'restart',
  { room, report, signal }: Pick<JobContext, 'room' | 'report' | 'signal'>,
): Promise<Running> {
  const { systemd, docker, paths } = room;
  const unit = paths.unitName(resource);
  const state = await systemd.state(unit);
  if (state.needsReload) await systemd.reload();
  if (state.active === 'inactive' || state.active === 'failed') await portsMustBeFree(ports);
  // A container of this name that no unit runs any more would stand in the way of the new one.
  if (state.active !== 'active') await docker.removeContainer(containerName(resource));
  report({ step: 'start', message: `${how === 'start' ? 'starting' : 'restarting'} ${unit}` });
  const watch = untilReady(
    room,
    resource,
    ports.map(({ internal }) => internal),
    signal,
  );
  try {
    const result = await systemd[how](unit, { signal, deadlineMs: systemdDeadline });
    if (result !== 'done') throw await startFailure(room, resource, `systemd says ${result}`);
    return await watch.ready();
  } finally {
    watch.close();
  }
}

async function portsMustBeFree(ports: PublishedPort[]): Promise<void> {
  for (const { external } of ports) {
    if (!(await portIsFree(external))) {
      throw new Failure('port_taken', `the external port ${external} is taken by a program that is no gear`);
    }
  }
}

/** Stops the gear's unit and waits until it has stopped. */
export async function stopGear({ room }: Pick<JobContext, 'room'>, resource: string): Promise<void> {
  const { systemd, docker, paths } = room;
  const unit = paths.unitName(resource);
  const state = await systemd.state(unit);
  if (state.load !== 'not-found') {
    await systemd.stop(unit, { deadlineMs: systemdDeadline });
    await systemd.resetFailed(unit);
  }
  await docker.removeContainer(containerName(resource));
}
