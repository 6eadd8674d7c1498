import { readdir, readlink, rm, stat, symlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { basename } from 'node:path';
import { createLocks } from '../../lib/async/locks.ts';
import { effect } from '../../lib/effect.ts';
import { type HostPaths, resourceOfUnit } from '../domain/paths.ts';
import { codeOf, nullIfAbsent, syncDirectory } from './files.ts';

/**
 * Which gear has which external port: a link for each, named by the port, pointing to the gear's
 * unit.
 */
export interface Reservations {
  /** Reserves a port; false when another gear has it. Reserving one's own again is fine. */
  reserve(external: number, resource: string): Promise<boolean>;
  /** Gives a port back, if it is this gear's. */
  release(external: number, resource: string): Promise<void>;
  list(resource: string): Promise<number[]>;
  /** Ports of all other gears. */
  others(resource: string): Promise<number[]>;
  /** Gives back what no gear has any more; returns which ports. */
  releaseStale(): Promise<number[]>;
}

/**
 * `isBusy` tells whether a job on a gear is under way: the reservation of a gear that has no unit
 * holds as long as one may be about to write it, and is left over from a crash otherwise.
 */
export function createReservations(paths: HostPaths, isBusy: (resource: string) => boolean): Reservations {
  const owner = async (external: number): Promise<string | null> => {
    const unit = await nullIfAbsent(readlink(paths.port(external)));
    return unit && resourceOfUnit(basename(unit));
  };
  /**
   * Held from the look at a port until it is changed: what is stale for two is taken over by one.
   */
  const locks = createLocks();
  const remove = (external: number) =>
    effect('port.release', () => rm(paths.port(external), { force: true }), paths.port(external));
  const isStale = async (holder: string) =>
    !isBusy(holder) && (await nullIfAbsent(stat(paths.unit(holder)))) === null;

  /** Rests on one's holding the port's lock. */
  async function reserve(external: number, resource: string): Promise<boolean> {
    for (;;) {
      try {
        await effect(
          'port.reserve',
          () => symlink(paths.portTarget(resource), paths.port(external)),
          paths.port(external),
        );
        await syncDirectory(paths.ports);
        return true;
      } catch (error) {
        if (codeOf(error) !== 'EEXIST') throw error;
      }
      const holder = await owner(external);
      if (holder === resource) return true;
      if (holder !== null && !(await isStale(holder))) return false;
      await remove(external);
    }
  }

  /** Removes a port that the condition holds for; whether it did. */
  const removeIf = (external: number, condition: (holder: string | null) => Promise<boolean>) =>
    locks.hold(String(external), async () => {
      if (!(await condition(await owner(external)))) return false;
      await remove(external);
      return true;
    });

  const reserved = async () => {
    const names = (await readdir(paths.ports)).filter((name) => /^\d{1,5}$/.test(name));
    return Promise.all(
      names.map(async (name) => ({ port: Number(name), holder: await owner(Number(name)) })),
    );
  };

  return {
    reserve: (external, resource) => locks.hold(String(external), () => reserve(external, resource)),

    async release(external, resource) {
      if (await removeIf(external, async (holder) => holder === resource)) await syncDirectory(paths.ports);
    },

    async list(resource) {
      return (await reserved()).flatMap(({ port, holder }) => (holder === resource ? [port] : []));
    },

    async others(resource) {
      return (await reserved()).flatMap(({ port, holder }) => (holder === resource ? [] : [port]));
    },

    async releaseStale() {
      const released: number[] = [];
      for (const { port } of await reserved()) {
        if (await removeIf(port, async (holder) => holder !== null && isStale(holder))) released.push(port);
      }
      if (released.length > 0) await syncDirectory(paths.ports);
      return released;
    },
  };
}

/**
 * Whether a program could listen on a port now, on these addresses or, where none is named, on all.
 */
export async function portIsFree(port: number, addresses: readonly string[] = []): Promise<boolean> {
  const named = await Promise.all(addresses.map((address) => canListen(port, address)));
  if (named.length > 0) return !named.includes(false); // An address that is not there is the engine's to tell.
  const free = await canListen(port, '::');
  return free === 'no IPv6' ? (await canListen(port, '0.0.0.0')) === true : free;
}

function canListen(port: number, host: string): Promise<boolean | 'no IPv6'> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(false);
      else if (error.code === 'EAFNOSUPPORT' || error.code === 'EADDRNOTAVAIL') resolve('no IPv6');
      else reject(error);
    });
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
