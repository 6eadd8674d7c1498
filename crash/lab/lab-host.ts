import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { enterHost, systemdOf } from '../../test/support/lab-exec.ts';
import { type Ran, run } from '../../test/support/run.ts';
import { until } from '../../test/support/until.ts';
import type { Disk } from './disk.ts';

/** A host of a lab, driven from outside. */
export interface LabHost {
  name: string;
  /** The process that is the host's systemd. */
  pid(): number;
  /** A path on the host, as seen from here. */
  path(path: string): string;
  run(...command: string[]): Promise<Ran>;
  /** The same; throws where it fails. */
  ok(...command: string[]): Promise<string>;
  /** A connection to a Unix socket of the host. */
  connect(socket: string): Socket;
  /** Shuts the host down in order and boots it again. */
  reboot(): Promise<void>;
  /** Cuts the power and boots the host again from what is on its disk. */
  cutPower(): Promise<void>;
  disk: Disk;
}

/** `boot` boots whatever host of the lab is not up; `lab` is contrib/lab. */
export function createLabHost(
  directory: string,
  name: string,
  disk: Disk,
  lab: (...args: string[]) => Promise<string>,
  boot: () => Promise<void>,
): LabHost {
  const pid = () => systemdOf(directory, name);
  const path = (inside: string) => `/proc/${pid()}/root${inside}`;
  const host: LabHost = {
    name,
    pid,
    path,
    run: (...command) => run(...enterHost(directory, name), ...command),
    async ok(...command) {
      const { status, stdout, stderr } = await host.run(...command);
      if (status !== 0)
        throw new Error(`${name}: ${command.join(' ')} exited with ${status}: ${stderr || stdout}`);
      return stdout.trim();
    },
    connect: (socket) => connect(path(socket)),
    reboot: async () => void (await lab('reboot', name)),
    async cutPower() {
      const systemd = pid();
      process.kill(systemd, 'SIGKILL');
      await until(`${name} has lost its power`, () => isGone(systemd));
      await disk.cutPower();
      await boot();
    },
    disk,
  };
  return host;
}

/** A process that nobody has waited for yet is gone all the same. */
function isGone(pid: number): boolean {
  try {
    return /^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return true;
  }
}
