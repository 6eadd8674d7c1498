import { noGear, readBefore, readCommitted, readUnit } from '../gear/gear-files.ts';
import { endRun } from '../gear/run/run-gear.ts';
import { removeGear } from '../gear/transaction.ts';
import type { Handler } from '../jobs/context.ts';

/** Stops a gear and removes all of it except its volumes. */
export const remove: Handler<'container.remove'> = {
  async run({ resource }, context) {
    const { services, report, signal, checkpoint } = context;
    signal.throwIfAborted();
    // A later run may find that an earlier one has removed it.
    const found = await checkpoint(async () => {
      // An attempt that failed in its last steps has left the record of the installation.
      const there =
        (await readUnit(services.paths, resource)) ??
        (await readBefore(services.paths, resource)) ??
        (await readCommitted(services.paths, resource));
      return there ? 'there' : 'absent';
    });
    if (found === 'absent') throw noGear(resource);
    const unit = services.paths.unitName(resource);
    report({ step: 'remove', message: `stopping and removing ${unit}` });
    await services.systemd.disable(unit);
    await endRun(services, resource);
    await removeGear(services, resource);
    return { unit };
  },
};
