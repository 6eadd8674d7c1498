import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Holder } from '../../queue/worker-queue.ts';
import type { HostPaths } from '../domain/paths.ts';
import { readOrMake } from '../host/files.ts';

/**
 * The holder of the host's name: its disk, by an identity stored on it, and the disk's place, for
 * people.
 */
export async function holderOf(paths: HostPaths): Promise<Holder> {
  const path = join(paths.jobs, 'identity');
  const identity = (await readOrMake(path, () => `${randomUUID()}\n`)).trim();
  const since = new Date().toISOString();
  return { identity, place: `on ${hostname()}, process ${process.pid}, since ${since}` };
}
