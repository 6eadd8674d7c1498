import { Failure } from '../../jobs/errors.ts';
import { readIfThere } from '../../lib/files/replace-file.ts';
import type { HostPaths } from '../domain/paths.ts';
import { removeDurably, writeDurably } from '../host/files.ts';
import type { JobContext } from '../jobs/context.ts';

/**
 * Whether the host takes nothing new. A file says so, which outlives this process, the host's next
 * boot and Redis.
 */
export async function isDraining(paths: HostPaths): Promise<boolean> {
  return (await readIfThere(paths.draining)) !== null;
}

/** Has the host take nothing new, or take everything again. */
export async function setDraining(paths: HostPaths, draining: boolean): Promise<void> {
  if ((await isDraining(paths)) === draining) return;
  if (draining) await writeDurably(paths.draining, `since ${new Date().toISOString()}\n`, 0o644);
  else await removeDurably(paths.draining);
}

/**
 * Refuses what would be new on a host that is draining: the api has known nothing of it yet, or the
 * request came first and its job only now. What was begun before goes on.
 */
export async function assertTakesNew({
  services,
  checkpoint,
}: Pick<JobContext, 'services' | 'checkpoint'>): Promise<void> {
  await checkpoint(async () => {
    if (await isDraining(services.paths))
      throw new Failure('no_host', `the host ${services.host} is draining`);
    return 'taken';
  });
}
