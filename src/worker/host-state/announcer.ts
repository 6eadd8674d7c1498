import { totalmem } from 'node:os';
import { MiB } from '../../jobs/fields/bytes.ts';
import { type Kind, kinds } from '../../jobs/fields/resource.ts';
import { every } from '../../lib/async/every.ts';
import { createLocks } from '../../lib/async/locks.ts';
import { pause } from '../../lib/async/pause.ts';
import {
  type HostMessage,
  heartbeatInterval,
  heldUnder,
  maxPorts,
  NameTaken,
  type WorkerQueue,
} from '../../queue/worker-queue.ts';
import type { HostPaths } from '../domain/paths.ts';
import type { GearIndex, IndexedGear } from '../gear/gear-index.ts';
import type { HostOptions } from '../host-options.ts';
import { isDraining } from './draining.ts';
import { listOnDisk } from './on-disk.ts';

/**
 * Announces this host, the resources on its disk and those that its jobs may be about to make, so
 * that the fleet can find them.
 */
export interface Announcer {
  /** Announces its resources, and the host itself unless it has withdrawn. */
  everything(): Promise<void>;
  /**
   * Announces everything repeatedly, and whenever Redis or an api comes back. `address`: where apis
   * can fetch streams. `inWork`: the resources of a kind that have a running job. `ready` resolves
   * after the first announcement, and rejects with `NameTaken` when another worker has the host's
   * name.
   */
  keep(
    address: string | null,
    inWork: (kind: Kind) => string[],
  ): { ready: Promise<void>; stop(): Promise<void> };
}

export interface AnnouncerParts extends Pick<HostOptions, 'host' | 'version' | 'limits' | 'onFatal' | 'log'> {
  queue: Pick<WorkerQueue, 'announceHeld' | 'announceHost' | 'withdrawHost' | 'onAsked' | 'epoch'>;
  paths: HostPaths;
  gears: GearIndex;
}

/** Milliseconds between two comparisons of directory and disk. */
const compareInterval = 180_000;
/** Timeout for the last announcement, in milliseconds. */
const withdrawTimeout = 1_000;

export function createAnnouncer(parts: AnnouncerParts): Announcer {
  const { queue, paths, gears, host, version, limits, onFatal, log } = parts;
  let address: string | null = null;
  let inWork: (kind: Kind) => string[] = () => [];
  let withdrawn = false;
  /** Serializes announcements of the host: an older one must not come after the last one. */
  const turns = createLocks();
  const announcement = async () => ({
    name: host,
    version,
    draining: await isDraining(paths),
    address,
    limits,
    ...roomOf(gears.all()),
  });
  const say = (message: HostMessage) =>
    turns.hold(host, async () => {
      if (!withdrawn) await queue.announceHost(await announcement(), message);
    });
  // After a loss Redis knows nothing of a running job, whose resource may not be on the disk yet:
  // its name must not go to another host. The jobs come first, because the disk has the resource of
  // one that ends in the meantime.
  const list = async (kind: Kind) => [...inWork(kind), ...(await listOnDisk(paths, kind))];
  const everything = async () => {
    const message = heldUnder(queue.epoch()); // Before anything is listed.
    await gears.readAll();
    for (const kind of kinds) await queue.announceHeld(kind, () => list(kind));
    await say(message);
  };
  const beat = () => say('');
  /** Calls `onFatal` when another worker has taken the name: this one was silent for too long. */
  const unlessTaken = (task: () => Promise<void>) => () =>
    task().catch((error: unknown) => {
      if (!(error instanceof NameTaken)) throw error;
      onFatal(error);
    });
  return {
    everything,
    keep(from, ofJobs) {
      address = from;
      inWork = ofJobs;
      // First the name: otherwise Redis would list the resources of two hosts under it.
      const ready = gears.readAll().then(beat).then(everything);
      queue.onAsked(() => {
        ready
          .then(unlessTaken(everything))
          .catch((error: Error) => log.warn({ reason: error.message }, 'the gears could not be announced'));
      });
      const stops = [
        every(heartbeatInterval, unlessTaken(beat), log),
        every(compareInterval, unlessTaken(everything), log),
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

/** The host's capacity, and the part of it that its gears were promised. */
function roomOf(gears: IndexedGear[]) {
  const promised = gears.reduce((sum, { memory }) => sum + memory, 0);
  const ports = gears.flatMap((gear) => gear.ports.map(({ external }) => external));
  return {
    gears: gears.length,
    memory: Math.floor(totalmem() / MiB),
    memoryTaken: Math.ceil(promised / MiB),
    ports: ports.sort((a, b) => a - b).slice(0, maxPorts),
  };
}
