import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { readIfThere } from '../../lib/files/replace-file.ts';
import type { Holder } from '../../queue/worker-queue.ts';
import type { HostPaths } from '../domain/paths.ts';
import { writeDurably } from '../host/files.ts';

/**
 * The holder of the host's name: its disk, by an identity stored on it, and the disk's place, for
 * people.
 */
export async function holderOf(paths: HostPaths): Promise<Holder> {
  const path = join(paths.jobs, 'identity');
  let identity = (await readIfThere(path))?.trim();
  if (!identity) {
    identity = randomUUID();
    await writeDurably(path, `${identity}\n`, 0o600);
  }
  const since = new Date().toISOString();
  return { identity, place: `on ${hostname()}, process ${process.pid}, since ${since}` };
}
