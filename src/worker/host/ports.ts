import { readdir, readlink, rm, stat, symlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { basename } from 'node:path';
import { createLocks } from '../../lib/async/locks.ts';
import { effect } from '../../lib/effect.ts';
import { nullIfAbsent } from '../../lib/files/if-there.ts';
import { type HostPaths, resourceOfUnit } from '../domain/paths.ts';
import { codeOf, syncDirectory } from './files.ts';

/**
 * The owners of external ports: one link per port, named by the port, that points to the gear's
 * unit.
 */
export interface Reservations {
  /** Reserves a port; returns false when another gear has it. Succeeds again for one's own port. */
  reserve(external: number, resource: string): Promise<boolean>;
  /** Releases a port if it belongs to this gear. */
  release(external: number, resource: string): Promise<void>;
  list(resource: string): Promise<number[]>;
  /** Ports of all other gears. */
  others(resource: string): Promise<number[]>;
  /** Releases ports that no gear has any more; returns them. */
  releaseStale(): Promise<number[]>;
}

/**
 * `isBusy` returns whether a job on a gear is running. The reservation of a gear without a unit
 * holds while a job may be about to write the unit; otherwise a crash has left it.
 */
export function createReservations(paths: HostPaths, isBusy: (resource: string) => boolean): Reservations {
  const owner = async (external: number): Promise<string | null> => {
    const unit = await nullIfAbsent(readlink(paths.port(external)));
    return unit && resourceOfUnit(basename(unit));
  };
  /**
   * Held from the check of a port to its change: of two gears, only one takes over a stale port.
   */
  const locks = createLocks();
  const remove = (external: number) =>
    effect('port.release', () => rm(paths.port(external), { force: true }), paths.port(external));
  const isStale = async (holder: string) =>
    !isBusy(holder) && (await nullIfAbsent(stat(paths.unit(holder)))) === null;

  /** The caller must hold the port's lock. */
  async function reserve(external: number, resource: string): Promise<boolean> {
    const path = paths.port(external);
    for (;;) {
      try {
        await effect('port.reserve', () => symlink(paths.portTarget(resource), path), path);
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

  /** Removes a port's reservation if the condition holds; returns whether it did. */
  const removeIf = (external: number, condition: (holder: string | null) => Promise<boolean>) =>
    locks.hold(String(external), async () => {
      if (!(await condition(await owner(external)))) return false;
      await remove(external);
      return true;
    });

  const reserved = async () => {
    const ports = (await readdir(paths.ports)).filter((name) => /^\d{1,5}$/.test(name)).map(Number);
    return Promise.all(ports.map(async (port) => ({ port, holder: await owner(port) })));
  };
  const portsOf = async (isMeant: (holder: string | null) => boolean) =>
    (await reserved()).flatMap(({ port, holder }) => (isMeant(holder) ? [port] : []));

  return {
    reserve: (external, resource) => locks.hold(String(external), () => reserve(external, resource)),

    async release(external, resource) {
      if (await removeIf(external, async (holder) => holder === resource)) await syncDirectory(paths.ports);
    },

    list: (resource) => portsOf((holder) => holder === resource),
    others: (resource) => portsOf((holder) => holder !== resource),

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

/** Whether a program could listen on a port now, on these addresses; default: on all. */
export async function portIsFree(port: number, addresses: readonly string[] = []): Promise<boolean> {
  const named = await Promise.all(addresses.map((address) => canListen(port, address)));
  if (named.length > 0) return !named.includes(false); // The engine reports missing addresses.
  const free = await canListen(port, '::');
  return free === 'no IPv6' ? (await canListen(port, '0.0.0.0')) === true : free;
}

function canListen(port: number, host: string): Promise<boolean | 'no IPv6'> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(false);
      // A port below 1024, in the sandbox of the worker's unit: the engine finds out.
      else if (error.code === 'EACCES') resolve(true);
      else if (error.code === 'EAFNOSUPPORT' || error.code === 'EADDRNOTAVAIL') resolve('no IPv6');
      else reject(error);
    });
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
