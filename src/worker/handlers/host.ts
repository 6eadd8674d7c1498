import type { Result } from '../../jobs/registry.ts';
import { repairHost } from '../drift/repair.ts';
import { isDraining, setDraining } from '../host-state/draining.ts';
import type { Handler, JobContext } from '../jobs/context.ts';

/** Has this host take nothing new. */
export const drain: Handler<'host.drain'> = {
  run: (_params, context) => become(true, context),
};

/** Has this host take what comes again. */
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
  const message = draining ? 'taking nothing new from now on' : 'taking what comes again';
  report({ step: 'drain', message });
  const before = await checkpoint(async () => String(await isDraining(services.paths)));
  await setDraining(services.paths, draining);
  // Also where nothing has changed: an attempt that was cut short may not have come to this.
  await services.directory.announce();
  return { draining, changed: before !== String(draining) };
}
