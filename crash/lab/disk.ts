import { mkdir, rename, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ok, run } from '../../test/support/run.ts';

/**
 * A disk that loses its power: an ext4 file system in a file. Whatever was not synced when the power went is only in the
 * kernel's memory and not in the file, so that a copy of the file is what a real disk would have.
 */
export interface Disk {
  /** Puts back what was on the platters. Nothing may write any more. */
  cutPower(): Promise<void>;
  /** Leaves no room for anybody. */
  fill(): Promise<void>;
  free(): Promise<void>;
  close(): Promise<void>;
}

/** Small enough to be copied in no time, with room for the repositories of a thousand rounds. */
const megabytes = 256;
/** ext4 by itself would write everything every five seconds, and the data of a file before it is renamed. */
const mountOptions = 'loop,commit=600,noauto_da_alloc,noatime';

/**
 * Makes the disk of a host and mounts it here, where it stays mounted whatever becomes of the host. `paths` are what it
 * holds, for GEARD_LAB_MOUNTS (docs/lab.md).
 */
export async function openDisk(directory: string, host: string, paths: readonly string[]): Promise<Disk> {
  const image = join(directory, `${host}.img`);
  const place = join(directory, host);
  const filler = join(place, '.fill');
  await mkdir(place, { recursive: true });
  await ok('truncate', '--size', `${megabytes}M`, image);
  await ok('mkfs.ext4', '-q', '-F', '-m', '0', '-N', '60000', image);
  const mount = () => ok('mount', '-o', mountOptions, image, place);
  await mount();
  await rmdir(join(place, 'lost+found'));
  for (const path of paths) await mkdir(join(place, await ok('systemd-escape', '--path', path)));
  await ok('sync', '--file-system', place);
  return {
    async cutPower() {
      const copy = `${image}.cut`;
      await ok('cp', '--sparse=always', image, copy);
      await ok('umount', place);
      await rename(copy, image);
      await mount();
      await rm(filler, { force: true }); // It may have been taken away, and that not synced.
    },
    // dd ends when there is no room; fallocate would refuse at once.
    fill: async () => void (await run('dd', 'if=/dev/zero', `of=${filler}`, 'bs=1M', 'status=none')),
    free: () => rm(filler, { force: true }),
    async close() {
      await run('umount', '--lazy', place);
      await rm(image, { force: true });
    },
  };
}
