import { hostDraining } from '../../jobs/errors.ts';
import { readIfThere } from '../../lib/files/if-there.ts';
import type { HostPaths } from '../domain/paths.ts';
import { removeDurably, writeDurably } from '../host/files.ts';
import type { JobContext } from '../jobs/context.ts';

/**
 * Whether the host accepts nothing new. A file records it and outlives this process, a reboot and
 * Redis.
 */
export async function isDraining(paths: HostPaths): Promise<boolean> {
  return (await readIfThere(paths.draining)) !== null;
}

/** Makes the host accept nothing new, or accept everything again. */
export async function setDraining(paths: HostPaths, draining: boolean): Promise<void> {
  if ((await isDraining(paths)) === draining) return;
  if (draining) await writeDurably(paths.draining, `since ${new Date().toISOString()}\n`, 0o644);
  else await removeDurably(paths.draining);
}

/**
 * Throws `no_host` for a new resource on a draining host: the api may not know yet, or the request
 * may have come before the drain. Work that has begun goes on.
 */
export async function assertTakesNew({ services, checkpoint }: JobContext): Promise<void> {
  await checkpoint(async () => {
    if (await isDraining(services.paths)) throw hostDraining(services.host);
    return 'taken';
  });
}
