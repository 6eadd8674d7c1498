import { hostUnavailable } from '../../jobs/errors.ts';
import type { HostServices } from '../host-services.ts';
import { waitFor } from '../jobs/wait-for.ts';

/** Timeout for the engine to make a container, in milliseconds. */
const engineDeadline = 20_000;

/** A unit that runs a container. `what`: the container, for people. */
interface ContainerUnit {
  unit: string;
  container: string;
  what: string;
}

/**
 * Stops a unit once its container is made, which the caller then removes. Throws a transient
 * `host_unavailable` when that takes too long.
 */
export async function endUnit(
  { systemd, engine }: Pick<HostServices, 'systemd' | 'engine'>,
  { unit, container, what }: ContainerUnit,
): Promise<void> {
  // The engine makes the container of a unit that has just started even if its client stops
  // meanwhile, and it would outlive the removal, with the values of a gear.
  const isMade = async () => {
    const { sub } = await systemd.activity(unit);
    const starts = /^(start|running)$/.test(sub);
    return !starts || (await engine.container(container)) ? true : null;
  };
  await waitFor(isMade, engineDeadline, `${engine.name} is still making the container of ${what}`);
  const result = await systemd.stop(unit);
  if (result !== 'done') throw hostUnavailable(`systemd has not stopped ${unit} (${result})`);
  await systemd.resetFailed(unit);
}
