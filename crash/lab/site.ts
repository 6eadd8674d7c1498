import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ok, run } from '../../test/support/run.ts';
import { until } from '../../test/support/until.ts';
import { fleetSize } from '../plan/round.ts';
import { type Disk, openDisk } from './disk.ts';
import { type Answer, type Ask, type Door, openDoor } from './door.ts';
import { createLabHost, type LabHost } from './lab-host.ts';
import { installProgram, type Program, programFor } from './program.ts';
import { openShared, type Shared, sharedRedis } from './shared.ts';

/** Where the crashes happen: hosts with geard, and a way to ask it. */
export interface Site {
  /** The lab's. */
  directory: string;
  hosts: LabHost[];
  program: Program;
  /** Of a fleet. */
  shared: Shared | null;
  door(): Door;
  ask(ask: Ask): Promise<Answer>;
  /** Resolves when the api is ready and all hosts are live. */
  ready(deadline?: number): Promise<unknown>;
  /** To be called when a host has booted again. */
  booted(): Promise<void>;
  close(): Promise<void>;
}

/** What has to survive a power cut: all that geard keeps, and the units of the host. */
const onDisk = ['/var/lib/gears', '/etc/systemd/system'];
const port = 2223;

const project = process.cwd();

/** Boots a host with a daemon, or a fleet. `gear` is the executable that is tried. */
export async function openSite(
  directory: string,
  gear: string,
  { fleet }: { fleet: boolean },
): Promise<Site> {
  const disks = `${directory}.disks`;
  const names = Array.from({ length: fleet ? fleetSize : 1 }, (_, i) => `h${i + 1}`);
  const lab = (...args: string[]) =>
    ok('env', `GEARD_LAB_DIR=${directory}`, `GEARD_LAB_MOUNTS=${disks}`, 'contrib/lab', ...args);
  const boot = async () => void (await lab('up', String(names.length), '--bare'));
  await closeSite(directory);
  await mkdir(disks, { recursive: true });
  const opened = await Promise.all(names.map((name) => openDisk(disks, name, onDisk)));
  await boot();
  const hosts = names.map((name, i) => createLabHost(directory, name, opened[i] as Disk, lab, boot));
  const shared = fleet ? await openShared(directory, join(disks, 'shared'), gear, port) : null;
  const program = programFor(fleet ? 'worker' : 'daemon');
  for (const host of hosts) {
    await host.ok(join(project, 'contrib', 'sample', 'image'));
    await installProgram(program, host, gear, fleet ? sharedRedis : []);
  }
  const pid = () => shared?.pid() ?? (hosts[0] as LabHost).pid();
  let door = await openDoor(pid(), join(disks, 'door'), port);
  const site: Site = {
    ...{ directory, hosts, program, shared },
    door: () => door,
    ask: (ask) => door.ask(ask),
    ready: (deadline = 60_000) => until('the api is ready', () => isReady(site), deadline),
    async booted() {
      if (shared) return; // The way in leads through no host.
      door.close();
      door = await openDoor(pid(), join(disks, 'door'), port);
    },
    async close() {
      door.close();
      await shared?.close();
      await closeSite(directory);
    },
  };
  await site.ready();
  return site;
}

/** Whether the api answers and all hosts are at work. */
async function isReady({ ask, hosts }: Site): Promise<boolean> {
  const get = (path: string) => ask({ method: 'GET', path, patience: 1_000 }).catch(() => null);
  if ((await get('/readyz'))?.status !== 200) return false;
  const answer = await get('/token/__test__/hosts');
  const { hosts: known = [] } = (answer?.body ?? {}) as { hosts?: { state: string }[] };
  return known.filter(({ state }) => state === 'live').length === hosts.length;
}

/** Takes down what is there of a site, also of one whose process has ended. */
export async function closeSite(directory: string): Promise<void> {
  await run('env', `GEARD_LAB_DIR=${directory}`, 'contrib/lab', 'down');
  const disks = `${directory}.disks`;
  for (let i = 1; i <= fleetSize; i++) await run('umount', '--lazy', join(disks, `h${i}`));
  await rm(disks, { recursive: true, force: true });
}
