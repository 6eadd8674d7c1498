import type { Result } from '../../jobs/registry.ts';
import type { Handler, JobContext } from '../context.ts';
import { mustHaveGear, type StoredGear } from '../gear/gear-files.ts';
import { runGear, stopGear } from '../gear/run-gear.ts';
import { linkUnit } from '../gear/transaction.ts';

/** Starts a gear, now and after every reboot. */
export const start: Handler<'container.start'> = {
  async run({ resource }, context) {
    const gear = await existing(resource, context);
    await linkUnit(context.room, resource, true);
    return up(gear, 'start', context);
  },
};

/** Restarts a gear; whether it runs after a reboot stays as it is. */
export const restart: Handler<'container.restart'> = {
  async run({ resource }, context) {
    const gear = await existing(resource, context);
    // An attempt that was cut short may have restarted it already: once is enough.
    const { since } = await context.room.systemd.state(context.room.paths.unitName(resource));
    const done = context.attempt > 1 && since !== null && Date.parse(since) > context.begunAt;
    return up(gear, done ? 'start' : 'restart', context);
  },
};

/** Stops a gear, now and after every reboot. */
export const stop: Handler<'container.stop'> = {
  async run({ resource }, context) {
    const { room, report } = context;
    await existing(resource, context);
    const unit = room.paths.unitName(resource);
    report({ step: 'stop', message: `stopping ${unit}` });
    await linkUnit(room, resource, false);
    await stopGear(context, resource);
    return { unit, container: null, active: (await room.systemd.state(unit)).active };
  },
};

async function up(
  { resource, ports }: StoredGear,
  how: 'start' | 'restart',
  context: JobContext,
): Promise<Result<'container.start'>> {
  const { container } = await runGear(resource, ports, how, context);
  return { unit: context.room.paths.unitName(resource), container, active: 'active' };
}

async function existing(resource: string, { room, signal }: JobContext): Promise<StoredGear> {
  signal.throwIfAborted();
  return mustHaveGear(room.paths, resource);
}
