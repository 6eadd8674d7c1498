import { randomUUID } from 'node:crypto';
import { hostname, totalmem } from 'node:os';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { kinds } from '../jobs/resource.ts';
import { every, timeout } from '../lib/every.ts';
import { heartbeatInterval, NameTaken, type WorkerQueue } from '../queue/open-worker-queue.ts';
import type { HostPaths } from './domain/paths.ts';
import { listGears, readGear } from './gear/gear-files.ts';
import { readIfThere, writeDurably } from './host/files.ts';
import { listOnDisk } from './on-disk.ts';
import type { Room } from './room.ts';

/** Milliseconds between two announcements of everything that is on the disk. */
const everythingInterval = 180_000;
const MiB = 1024 * 1024;

export interface Announced {
  /** Resolves when everybody can know what the host holds; rejects with `NameTaken` where another worker has its name. */
  ready: Promise<void>;
  stop(): Promise<void>;
}

export interface AnnounceParts {
  queue: WorkerQueue;
  room: Room;
  version: string;
  /** Where apis fetch streams directly, or null. */
  address: string | null;
  /** Called when another worker has taken the name over, after this one was silent for too long. */
  onNameTaken(error: NameTaken): void;
  log: Logger;
}

/** Says that the host lives, again and again, and what is on its disk whenever Redis or an api has come back. */
export function keepAnnounced({ queue, room, version, address, onNameTaken, log }: AnnounceParts): Announced {
  const announcement = async () => ({
    name: room.host,
    version,
    address,
    ...(await roomOf(room)),
    lastSeen: Date.now(),
  });
  const everything = async () => {
    for (const kind of kinds) await queue.announceHeld(kind, await listOnDisk(room.paths, kind));
    await queue.announceHost(await announcement(), 'held');
  };
  const beat = async () => queue.announceHost(await announcement(), '');
  /** First the name, or the resources of two hosts would be told under it. */
  const first = beat().then(everything);
  const unlessTaken = (task: () => Promise<void>) => async () => {
    try {
      await task();
    } catch (error) {
      if (!(error instanceof NameTaken)) throw error;
      onNameTaken(error);
    }
  };
  queue.onAsked(() => {
    first
      .then(unlessTaken(everything))
      .catch((error: Error) => log.warn({ reason: error.message }, 'the gears could not be announced'));
  });
  const stopBeat = every(heartbeatInterval, unlessTaken(beat), log);
  const stopEverything = every(everythingInterval, unlessTaken(everything), log);
  return {
    ready: first,
    async stop() {
      stopBeat();
      stopEverything();
      await Promise.race([announcement().then(queue.withdrawHost), timeout(1_000)]).catch(() => undefined);
    },
  };
}

/** What the host has, and what of it its gears were promised. */
async function roomOf({ paths, reservations }: Room) {
  const gears = await listGears(paths);
  const specs = await Promise.all(gears.map(async (gear) => (await readGear(paths, gear))?.spec));
  const promised = specs.reduce((sum, spec) => sum + (spec?.memory ?? 0), 0);
  return {
    gears: gears.length,
    memory: Math.floor(totalmem() / MiB),
    memoryTaken: Math.ceil(promised / MiB),
    ports: await reservations.all(),
  };
}

/** Who holds the host's name: the disk, by an identity that lies on it, and where it is for people. */
export async function holderOf(paths: HostPaths): Promise<{ identity: string; place: string }> {
  const path = join(paths.jobs, 'identity');
  let identity = (await readIfThere(path))?.trim();
  if (!identity) {
    identity = randomUUID();
    await writeDurably(path, `${identity}\n`, 0o600);
  }
  const since = new Date().toISOString();
  return { identity, place: `on ${hostname()}, process ${process.pid}, since ${since}` };
}
