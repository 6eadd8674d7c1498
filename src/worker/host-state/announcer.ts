import { totalmem } from 'node:os';
import { MiB } from '../../jobs/fields/bytes.ts';
import { kinds } from '../../jobs/fields/resource.ts';
import { every } from '../../lib/async/every.ts';
import { createLocks } from '../../lib/async/locks.ts';
import { pause } from '../../lib/async/pause.ts';
import { heartbeatInterval, NameTaken, type WorkerQueue } from '../../queue/worker-queue.ts';
import type { HostPaths } from '../domain/paths.ts';
import type { GearIndex, IndexedGear } from '../gear/gear-index.ts';
import type { HostOptions } from '../host-options.ts';
import { isDraining } from './draining.ts';
import { listOnDisk } from './on-disk.ts';

/** Says that this host lives and what is on its disk, so that the fleet can find it. */
export interface Announcer {
  /** Looks at the disk and says all of it now; nothing, once the host has withdrawn. */
  everything(): Promise<void>;
  /**
   * Says it again and again, and whenever Redis or an api has come back; `address` is from where
   * streams may be fetched. `ready` resolves when it was said for the first time, and rejects with
   * `NameTaken` where another worker has the host's name.
   */
  keep(address: string | null): { ready: Promise<void>; stop(): Promise<void> };
}

export interface AnnouncerParts extends Pick<HostOptions, 'host' | 'version' | 'limits' | 'onFatal' | 'log'> {
  queue: Pick<WorkerQueue, 'announceHeld' | 'announceHost' | 'withdrawHost' | 'onAsked'>;
  paths: HostPaths;
  gears: GearIndex;
}

/** Milliseconds between two comparisons of directory and disk. */
const tidyInterval = 180_000;
/** Milliseconds that the last word may take. */
const withdrawTimeout = 1_000;

export function createAnnouncer(parts: AnnouncerParts): Announcer {
  const { queue, paths, gears, host, version, limits, onFatal, log } = parts;
  let address: string | null = null;
  let withdrawn = false;
  /**
   * What is said of the host is said one after the other, or an old word could come after the last
   * one.
   */
  const turns = createLocks();
  const announcement = async () => ({
    name: host,
    version,
    draining: await isDraining(paths),
    address,
    limits,
    ...roomOf(gears.all()),
  });
  const say = (said: 'held' | '') =>
    turns.hold(host, async () => {
      if (!withdrawn) await queue.announceHost(await announcement(), said);
    });
  const everything = async () => {
    await gears.readAll();
    for (const kind of kinds) await queue.announceHeld(kind, () => listOnDisk(paths, kind));
    await say('held');
  };
  const beat = () => say('');
  /** This worker was silent for so long that another one has taken its name over. */
  const unlessTaken = (task: () => Promise<void>) => () =>
    task().catch((error: unknown) => {
      if (!(error instanceof NameTaken)) throw error;
      onFatal(error);
    });
  return {
    everything,
    keep(from) {
      address = from;
      // First the name, or the resources of two hosts would be told under it.
      const ready = gears.readAll().then(beat).then(everything);
      queue.onAsked(() => {
        ready
          .then(unlessTaken(everything))
          .catch((error: Error) => log.warn({ reason: error.message }, 'the gears could not be announced'));
      });
      const stops = [
        every(heartbeatInterval, unlessTaken(beat), log),
        every(tidyInterval, unlessTaken(everything), log),
      ];
      return {
        ready,
        async stop() {
          for (const stop of stops) stop();
          withdrawn = true;
          const told = turns.hold(host, async () => queue.withdrawHost(await announcement()));
          await Promise.race([told, pause(withdrawTimeout)]).catch(() => undefined);
        },
      };
    },
  };
}

/** What the host has, and what of it its gears were promised. */
function roomOf(gears: IndexedGear[]) {
  const promised = gears.reduce((sum, { memory }) => sum + memory, 0);
  return {
    gears: gears.length,
    memory: Math.floor(totalmem() / MiB),
    memoryTaken: Math.ceil(promised / MiB),
    ports: gears.flatMap(({ ports }) => ports.map(({ external }) => external)).sort((a, b) => a - b),
  };
}
