import type { Result } from '../../jobs/registry.ts';
import type { StoredGear } from '../domain/unit-file.ts';
import { readUnit, requireGear } from '../gear/gear-files.ts';
import { runGear, stopGear, untilIdle } from '../gear/run/run-gear.ts';
import { settleInstallation } from '../gear/transaction.ts';
import type { Handler, JobContext } from '../jobs/context.ts';

/**
 * Starts a gear, now and after every reboot. If it does not start and was stopped before, stops it
 * again.
 */
export const start: Handler<'container.start'> = {
  async run({ resource }, context) {
    const gear = await existing(resource, context);
    const { systemd, paths } = context.services;
    await systemd.assertOurs(paths.unit(resource));
    await stateBefore(resource, context);
    await systemd.link(paths.unit(resource), true);
    return up(gear, 'start', context);
  },

  async undo({ resource }, context) {
    if (!(await readUnit(context.services.paths, resource))) return '';
    if ((await stateBefore(resource, context)) === 'running') return '';
    await stopGear(context.services, resource);
    return 'it is stopped again';
  },
};

/** Restarts a gear; whether it runs after a reboot stays as it is. */
export const restart: Handler<'container.restart'> = {
  async run({ resource }, context) {
    const gear = await existing(resource, context);
    const { systemd, paths } = context.services;
    const before = await context.checkpoint(async () => (await untilIdle(context, resource)).invocation);
    await systemd.assertOurs(paths.unit(resource));
    // `systemctl disable` removes the link by which systemd finds the unit.
    await systemd.link(paths.unit(resource), await systemd.isEnabled(paths.unitName(resource)));
    // An earlier run may have restarted it already, or made systemd begin to: once is enough.
    const { active, pending, invocation } = await systemd.activity(paths.unitName(resource));
    const untouched = active === 'active' && !pending && invocation === before;
    return up(gear, untouched ? 'restart' : 'start', context);
  },

  undo: async () => '', // It comes up by itself.
};

/** Stops a gear, now and after every reboot. */
export const stop: Handler<'container.stop'> = {
  async run({ resource }, context) {
    const { services, report } = context;
    await existing(resource, context);
    const unit = services.paths.unitName(resource);
    report({ step: 'stop', message: `stopping ${unit}` });
    await stopGear(services, resource);
    return { unit, container: null, active: (await services.systemd.state(unit)).active };
  },
};

/** Whether a gear ran or was enabled before the job. */
function stateBefore(resource: string, { services, checkpoint }: JobContext): Promise<string> {
  const unit = services.paths.unitName(resource);
  return checkpoint(async () => {
    const [{ active }, enabled] = await Promise.all([
      services.systemd.activity(unit),
      services.systemd.isEnabled(unit),
    ]);
    return enabled || active === 'active' ? 'running' : 'stopped';
  });
}

async function up(
  gear: StoredGear,
  how: 'start' | 'restart',
  context: JobContext,
): Promise<Result<'container.start'>> {
  const container = await runGear(gear, how, context);
  await settleInstallation(context, gear);
  return { unit: context.services.paths.unitName(gear.resource), container, active: 'active' };
}

async function existing(resource: string, { services, signal }: JobContext): Promise<StoredGear> {
  signal.throwIfAborted();
  return requireGear(services.paths, resource);
}
