import { appendFile, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { pause } from '../../src/lib/async/pause.ts';

import { lastFile } from '../../src/queue/private-redis/append-only-file.ts';
import { clockText } from '../../test/support/clock.ts';
import { armFailpoint, hasFired } from '../../test/support/failpoints.ts';
import { ok } from '../../test/support/run.ts';
import { until } from '../../test/support/until.ts';
import type { LabHost } from '../lab/lab-host.ts';
import { leakedPorts } from '../lab/leaked-ports.ts';
import { clockFile, failpointFile } from '../lab/program.ts';
import type { Site } from '../lab/site.ts';
import { isPassedByApi } from '../plan/effects.ts';
import type { Fault } from '../plan/fault.ts';

/** A fault that has happened. Times are milliseconds since the epoch. */
export interface Struck {
  fault: Fault;
  host: LabHost;
  from: number;
  to: number;
  /** Whether anything came of it: a failpoint may not be passed. */
  happened: boolean;
  /** Docker has lost external ports by it, until it was restarted. */
  leaked: boolean;
}

/** What explains starts of containers that nobody asked for, and what also explains ends without a start. */
export const restartsGears = ({ fault }: Struck) => fault.kind === 'restart docker' || boots(fault);
export const boots = ({ kind }: Fault) => kind === 'reboot' || kind === 'cut the power';
/** Has a fault happen and waits until it is over. */
export async function strike(site: Site, host: LabHost, fault: Fault): Promise<Struck> {
  const from = Date.now();
  await happen(site, host, fault);
  const leaked = fault.kind === 'cut the power' && (await leakedPorts(host)).length > 0;
  if (leaked) await restartDocker(host);
  return { fault, host, from, to: Date.now(), happened: true, leaked };
}

async function happen(site: Site, host: LabHost, fault: Fault): Promise<void> {
  switch (fault.kind) {
    case 'failpoint':
      return armFailpoint(failpointsOf(site, host, fault.point), `${fault.point} ${fault.hits} SIGKILL`);
    case 'kill':
      return kill(site, host, fault.part);
    case 'stop':
      return stop(site, host, fault);
    case 'fill the disk':
      await host.disk.fill();
      await pause(fault.seconds * 1_000);
      return host.disk.free();
    case 'restart docker':
      return restartDocker(host);
    case 'execute systemd again':
      await host.ok('systemctl', 'daemon-reexec');
      return;
    case 'restart D-Bus':
      await host.run('systemctl', 'reset-failed', 'dbus.service', 'dbus.socket');
      await host.ok('systemctl', 'restart', 'dbus');
      return;
    case 'tear the append-only file':
      return tearAppendOnlyFile(site, host);
    case 'reboot':
      await host.reboot();
      return site.booted();
    case 'cut the power':
      await host.cutPower();
      return site.booted();
    case 'set the clock':
      await setClock(host, fault.hours);
      await pause(fault.seconds * 1_000);
      return setClock(host, 0);
    case 'kill the api':
      return site.shared?.kill('api');
    case 'kill the shared Redis':
      return site.shared?.kill('redis');
    case 'stop the api':
      return site.shared?.stopApi(fault.seconds * 1_000);
    case 'tear the shared append-only file': {
      const { shared } = site;
      return shared?.kill('redis', () => tearLastCommand(shared.data));
    }
    case 'cut the network':
      await cable(site, host, 'down');
      await pause(fault.seconds * 1_000);
      return cable(site, host, 'up');
  }
}

/**
 * systemd would not start it again if it were restarted too often. Where a start of dockerd fails, as it does now and then on a
 * busy machine, systemd makes the next one after two seconds, as on any host.
 */
export async function restartDocker(host: LabHost): Promise<void> {
  await host.run('systemctl', 'reset-failed', 'docker.service', 'docker.socket');
  const { status } = await host.run('systemctl', 'restart', 'docker');
  if (status === 0) return;
  const isUp = async () => (await host.run('systemctl', 'is-active', '--quiet', 'docker')).status === 0;
  await until('Docker is up after a start that has failed', isUp, 60_000).catch(async (error: Error) => {
    const { stdout } = await host.run('journalctl', '--unit=docker', '--lines=150', '--output=cat');
    throw new Error(`${host.name}: ${error.message}: ${stdout}`);
  });
}

const signalAll = ({ program }: Site, host: LabHost, signal: string, who: 'main' | 'all') =>
  host.run('systemctl', 'kill', `--signal=${signal}`, `--kill-who=${who}`, program.unit);

/** The daemon's own Redis. */
const signalRedis = ({ program }: Site, host: LabHost, signal: string) =>
  host.run('sh', '-c', `pkill -${signal} -P "$(systemctl show -P MainPID ${program.unit})" redis-server`);

async function kill(site: Site, host: LabHost, part: 'program' | 'redis' | 'both'): Promise<void> {
  if (part === 'redis') await signalRedis(site, host, 'KILL');
  else await signalAll(site, host, 'KILL', part === 'both' ? 'all' : 'main');
}

async function stop(
  site: Site,
  host: LabHost,
  { part, seconds }: { part: 'program' | 'both'; seconds: number },
): Promise<void> {
  const who = part === 'both' ? 'all' : 'main';
  await signalAll(site, host, 'STOP', who);
  await pause(seconds * 1_000);
  await signalAll(site, host, 'CONT', who);
}

/**
 * Cuts the last write in its middle, as a power cut does. Redis stands still meanwhile, so that nothing that it has acknowledged
 * comes after it; one that is being started would go on writing behind it.
 */
async function tearAppendOnlyFile(site: Site, host: LabHost): Promise<void> {
  await site.ready();
  await signalRedis(site, host, 'STOP');
  await tearLastCommand(host.path('/var/lib/gears/redis'));
  await signalAll(site, host, 'KILL', 'all');
}

/**
 * Has an append-only file end in the middle of the last transaction: the transaction again, cut. That nobody was told of this
 * one is what a cut write is; the one before it may have been acknowledged.
 */
async function tearLastCommand(directory: string): Promise<void> {
  const last = await lastFile(directory);
  if (last === null) return;
  const text = await readFile(last);
  const from = text.lastIndexOf('*1\r\n$5\r\nMULTI\r\n');
  const half = from < 0 ? '*3\r\n$3\r\nSET\r\n$12\r\nhalf-a-' : text.subarray(from, (from + text.length) / 2);
  await appendFile(last, half);
}

/** Takes a host's cable out of the switch, or puts it in again. */
async function cable({ directory }: Site, host: LabHost, state: 'up' | 'down'): Promise<void> {
  await ok('ip', 'netns', 'exec', basename(directory), 'ip', 'link', 'set', host.name, state);
}

/** The file that arms a point where it is passed. */
export const failpointsOf = ({ shared }: Site, host: LabHost, point: string) =>
  shared && isPassedByApi(point) ? shared.failpoints : host.path(failpointFile);

/** Sets the clock of geard and its Redis so many hours ahead of ours. */
const setClock = (host: LabHost, hours: number) => writeWhole(host.path(clockFile), clockText(hours * 3_600));

/** Never half: processes of ours read it all the time. */
async function writeWhole(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text);
  await rename(`${file}.new`, file);
}

/** Takes a failpoint away; whether it was passed. */
export async function disarmFailpoint(file: string): Promise<boolean> {
  await rm(file, { force: true });
  return hasFired(file);
}
