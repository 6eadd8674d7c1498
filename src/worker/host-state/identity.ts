import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Holder } from '../../queue/worker-queue.ts';
import type { HostPaths } from '../domain/paths.ts';
import { readOrMake } from '../host/files.ts';

/**
 * The holder of the lease on the host's name: an identity stored on the host's disk, and for people
 * where that disk is in use.
 */
export async function leaseHolder(paths: HostPaths): Promise<Holder> {
  const identity = (await readOrMake(paths.identity, () => `${randomUUID()}\n`)).trim();
  const since = new Date().toISOString();
  return { identity, place: `on ${hostname()}, process ${process.pid}, since ${since}` };
}
