import type { Result } from '../../jobs/registry.ts';
import { repairHost } from '../drift/repair.ts';
import { isDraining, setDraining } from '../host-state/draining.ts';
import type { Handler, JobContext } from '../jobs/context.ts';

/** Makes this host accept nothing new. */
export const drain: Handler<'host.drain'> = {
  run: (_params, context) => become(true, context),
};

/** Makes this host accept everything again. */
export const undrain: Handler<'host.undrain'> = {
  run: (_params, context) => become(false, context),
};

/** Brings everything of this host into line with its gears. */
export const repair: Handler<'host.repair'> = {
  run: (_params, context) => repairHost(context),
};

async function become(
  draining: boolean,
  { services, report, signal, checkpoint }: JobContext,
): Promise<Result<'host.drain'>> {
  signal.throwIfAborted();
  const message = draining ? 'the host accepts nothing new from now on' : 'the host accepts new gears again';
  report({ step: 'drain', message });
  const before = await checkpoint(async () => String(await isDraining(services.paths)));
  await setDraining(services.paths, draining);
  // Done even if nothing has changed: an interrupted attempt may not have reached this step.
  await services.directory.announce();
  return { draining, changed: before !== String(draining) };
}
