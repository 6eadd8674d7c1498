import { stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { MiB } from '../../jobs/fields/bytes.ts';
import { pause } from '../../lib/async/pause.ts';
import { nullIfAbsent } from '../../lib/files/if-there.ts';
import { assertOwned } from '../../lib/files/trusted-files.ts';
import { hostPaths } from '../../worker/domain/paths.ts';
import { impassable } from '../../worker/repository/draft.ts';
import { type Check, ok, problem, warning } from './finding.ts';
import { askDocker } from './host.ts';

/** Free space below which jobs fail, and below which they soon will. */
const fails = { megabytes: 64, files: 1_000 };
const warns = { megabytes: 1_024, files: 20_000 };

/** Timeout for Docker to name the directory of its files, in milliseconds. */
const dockerPatience = 5_000;

/** The free space of a disk, and a directory on it. */
type Disk = typeof fails & { place: string };

export const disk: Check<typeof disksOf> = {
  at: 'free space and inodes, below --base and where Docker writes',
  mend: 'run this as root',
  async look(situation, find = disksOf) {
    const { base } = situation;
    // Docker has a check of its own.
    const about = await Promise.race([askDocker(situation), pause(dockerPatience)]).catch(() => undefined);
    const places = [...hostPaths(base).directories, join(base, 'redis'), about?.root ?? base, ...above(base)];
    const disks = await find(places);
    const full = (least: typeof fails) =>
      disks.filter(({ megabytes, files }) => megabytes < least.megabytes || files < least.files);
    const [first] = full(warns);
    if (first === undefined) return ok(show(disks));
    const mend = `make room, for example with docker image prune; du -xh ${first.place} | sort -h | tail shows where it is`;
    return full(fails).length > 0 ? problem(show(full(fails)), mend) : warning(show(full(warns)), mend);
  },
};

async function disksOf(places: string[]): Promise<Disk[]> {
  const disks = new Map<number, Disk>();
  for (const place of places) {
    const found = await nullIfAbsent(stat(place));
    if (found === null || disks.has(found.dev)) continue;
    const { bavail, bsize, files, ffree } = await statfs(place);
    // A file system that creates inodes on demand reports that it has none.
    const free = files === 0 ? Number.POSITIVE_INFINITY : ffree;
    disks.set(found.dev, { place, megabytes: Math.floor((bavail * bsize) / MiB), files: free });
  }
  return [...disks.values()];
}

const show = (disks: Disk[]) =>
  disks
    .map(({ place, megabytes, files }) => `${megabytes} MiB and ${files} files free at ${place}`)
    .join(', ');

/** Returns all directories above a directory. */
function above(directory: string): string[] {
  const up = dirname(directory);
  return up === directory ? [] : [up, ...above(up)];
}

export const directories: Check = {
  at: 'owners and modes below --base',
  mend: 'run this as root',
  async look({ base }) {
    if ((await nullIfAbsent(stat(base))) === null) return ok(`${base} is created at the first start`);
    const paths = hostPaths(base);
    const secret = [paths.hashKey, paths.lock, join(base, 'redis')];
    const faults: string[] = [];
    for (const path of [...paths.directories, ...secret]) {
      if ((await nullIfAbsent(stat(path))) === null) continue;
      await assertOwned(path, secret.includes(path)).catch((error: Error) => faults.push(error.message));
    }
    if (faults.length > 0) return problem(`other users can read or change ${base}`, faults.join('\n'));
    const closed = (await impassable(base)).join(' ');
    if (closed === '') return ok(`only root and this user can change ${base}`);
    return warning(`other users cannot enter ${closed}: no archive can be created`, `chmod o+x ${closed}`);
  },
};
