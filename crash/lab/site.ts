import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ok, run } from '../../test/support/run.ts';
import { until } from '../../test/support/until.ts';
import { openDisk } from './disk.ts';
import { type Answer, type Ask, type Door, openDoor } from './door.ts';
import { createLabHost, type LabHost } from './lab-host.ts';
import { installProgram, type Program, programFor } from './program.ts';

/** Where the crashes happen: hosts with geard, and a way to ask it. */
export interface Site {
  hosts: LabHost[];
  program: Program;
  door(): Door;
  ask(ask: Ask): Promise<Answer>;
  /** Resolves with the time when the api says that it is ready. */
  ready(deadline?: number): Promise<number>;
  /** To be called when a host has booted again. */
  booted(): Promise<void>;
  close(): Promise<void>;
}

/** What has to survive a power cut: all that geard keeps, and the units of the host. */
const onDisk = ['/var/lib/gears', '/etc/systemd/system'];
const port = 2223;

/** Boots one host with a daemon. `gear` is the executable that is tried. */
export async function openSite(directory: string, gear: string): Promise<Site> {
  const disks = `${directory}.disks`;
  const environment = ['env', `GEARD_LAB_DIR=${directory}`, `GEARD_LAB_MOUNTS=${disks}`];
  const lab = (...args: string[]) => ok('env', ...environment.slice(1), 'contrib/lab', ...args);
  await closeSite(directory);
  await mkdir(disks, { recursive: true });
  const disk = await openDisk(disks, 'h1', onDisk);
  const boot = async () => void (await lab('up', '1', '--bare'));
  await boot();
  const host = createLabHost(directory, 'h1', disk, lab, boot);
  const project = process.cwd();
  for (const image of ['sample', 'githost']) await host.ok(join(project, 'contrib', image, 'image'));
  const program = programFor('daemon');
  await installProgram(program, host, gear, ['--base', '/var/lib/gears']);

  const openHere = () => openDoor(host.pid(), join(disks, 'door'), port);
  let door = await openHere();
  const site: Site = {
    hosts: [host],
    program,
    door: () => door,
    ask: (ask) => door.ask(ask),
    ready: (deadline = 60_000) =>
      until(
        'the api is ready',
        async () => {
          const answer = await site
            .ask({ method: 'GET', path: '/readyz', patience: 1_000 })
            .catch(() => null);
          return answer?.status === 200 ? Date.now() : null;
        },
        deadline,
      ),
    async booted() {
      door.close();
      door = await openHere();
    },
    async close() {
      door.close();
      await closeSite(directory);
    },
  };
  await site.ready();
  return site;
}

/** Takes down what is there of a site, also of one whose process has ended. */
export async function closeSite(directory: string): Promise<void> {
  await run('env', `GEARD_LAB_DIR=${directory}`, 'contrib/lab', 'down');
  const disks = `${directory}.disks`;
  for (const host of ['h1', 'h2', 'h3']) await run('umount', '--lazy', join(disks, host));
  await rm(disks, { recursive: true, force: true });
}
