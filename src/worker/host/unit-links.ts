import { readdir, readlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { isAbsence } from './files.ts';

/** Where systemd looks for the units of an administrator, before all other places (systemd.unit(5)). */
const systemUnits = '/etc/systemd/system';

/** Names like those of the units of gears, whoever made them. */
export const likeOurs = /^gear-.+\.service$/;

export interface UnitLinks {
  /** Units by name, and where each leads: a path, or null for what is no link. */
  links: Map<string, string | null>;
  /** Names of the units that something wants, so that they are started at boot. */
  wanted: Set<string>;
}

/** What there is below /etc under names like those of gears. */
export async function readUnitLinks(): Promise<UnitLinks> {
  const links = new Map<string, string | null>();
  const wanted = new Set<string>();
  for (const entry of await readdir(systemUnits, { withFileTypes: true })) {
    if (likeOurs.test(entry.name)) links.set(entry.name, await targetOf(entry.name));
    if (!entry.isDirectory() || !entry.name.endsWith('.wants')) continue;
    const names = await readdir(join(systemUnits, entry.name));
    for (const name of names.filter((one) => likeOurs.test(one))) wanted.add(name);
  }
  return { links, wanted };
}

async function targetOf(name: string): Promise<string | null> {
  try {
    return resolve(systemUnits, await readlink(join(systemUnits, name)));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EINVAL' || isAbsence(error)) return null;
    throw error;
  }
}
