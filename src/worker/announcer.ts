import { kinds } from '../jobs/resource.ts';
import { every } from '../lib/every.ts';
import { heartbeatInterval, type WorkerQueue } from '../queue/open-worker-queue.ts';
import type { HostPaths } from './domain/paths.ts';
import { isDraining } from './draining.ts';
import { listOnDisk } from './on-disk.ts';
import type { WorkerOptions } from './open-worker.ts';

/** Says that this host lives and what is on its disk, so that the fleet can find it. */
export interface Announcer {
  /** Says all of it now. */
  everything(): Promise<void>;
  /**
   * Says it again and again, and whenever Redis or an api has come back; `address` is from where streams may be
   * fetched. `ready` resolves when it was said for the first time.
   */
  keep(address: string | null): { ready: Promise<void>; stop(): Promise<void> };
}

/** Milliseconds between two comparisons of directory and disk. */
const tidyInterval = 180_000;
/** Milliseconds that the last word may take. */
const farewell = 1_000;

export function createAnnouncer(
  queue: WorkerQueue,
  paths: HostPaths,
  { host, version, log }: Pick<WorkerOptions, 'host' | 'version' | 'log'>,
): Announcer {
  let address: string | null = null;
  const announcement = async () => ({
    name: host,
    version,
    gears: (await listOnDisk(paths, 'gear')).length,
    draining: await isDraining(paths),
    address,
    lastSeen: Date.now(),
  });
  const everything = async () => {
    for (const kind of kinds) await queue.announceHeld(kind, await listOnDisk(paths, kind));
    await queue.announceHost(await announcement(), true);
  };
  return {
    everything,
    keep(from) {
      address = from;
      const ready = everything();
      queue.onAsked(() => {
        everything().catch((error: Error) =>
          log.warn({ reason: error.message }, 'the gears could not be announced'),
        );
      });
      const beat = async () => queue.announceHost(await announcement(), false);
      const stops = [every(heartbeatInterval, beat, log), every(tidyInterval, everything, log)];
      return {
        ready,
        async stop() {
          for (const stop of stops) stop();
          const timeout = new Promise<void>((resolve) => setTimeout(resolve, farewell).unref());
          await Promise.race([announcement().then(queue.withdrawHost), timeout]);
        },
      };
    },
  };
}
