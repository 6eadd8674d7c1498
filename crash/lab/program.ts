import { readFileSync, statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { clockEnvironment } from '../../test/support/clock.ts';
import type { LabHost } from './lab-host.ts';
import { realTime } from './real-time.ts';

/**
 * geard on a host: a unit that systemd starts again when it was killed, as
 * contrib/systemd/geard.service has it.
 */
export interface Program {
  role: 'daemon' | 'worker';
  unit: string;
  /** Bytes of its log so far: all its processes, one after the other, also over reboots. */
  logged(host: LabHost): number;
  /** What it has logged since it had logged so many bytes. */
  logSince(host: LabHost, logged: number): string;
  /** When each of its processes was started, in milliseconds since the epoch. */
  starts(host: LabHost): number[];
}

/** The file that arms failpoints (src/cli/roles/failpoints.ts). It does not outlive a boot. */
export const failpointFile = '/run/geard.failpoint';

/** Says what the clock of geard and its Redis is (test/support/clock.ts). It does not outlive a boot. */
export const clockFile = '/run/geard.clock';

const logFile = '/var/log/geard.log';
const startsFile = '/var/log/geard.starts';

export function programFor(role: Program['role']): Program {
  return {
    role,
    unit: `geard-${role}.service`,
    logged: (host) => statSync(host.path(logFile)).size,
    logSince: (host, logged) => readFileSync(host.path(logFile)).subarray(logged).toString('utf8'),
    starts: (host) =>
      readFileSync(host.path(startsFile), 'utf8').trim().split('\n').map(Number).map(realTime),
  };
}

/** Puts the program on a host and starts it, now and at every boot. `gear` is its executable. */
export async function installProgram(
  { role, unit }: Program,
  host: LabHost,
  gear: string,
  options: readonly string[],
): Promise<void> {
  const text = `[Unit]
Description=geard ${role}
After=dbus.service docker.service
StartLimitIntervalSec=0
[Service]
Type=exec
Environment=GEARD_FAILPOINTS=${failpointFile}
${Object.entries(clockEnvironment(clockFile))
  .map((entry) => `Environment=${entry.join('=')}`)
  .join('\n')}
ExecStartPre=/bin/sh -c 'date +%%s%%3N >>${startsFile}'
ExecStart=${process.execPath} ${gear} ${role} --host ${host.name} --test-token ${options.join(' ')}
Restart=on-failure
RestartSec=500ms
KillMode=mixed
TimeoutStopSec=35
StandardError=append:${logFile}
LimitNOFILE=65536
[Install]
WantedBy=multi-user.target
`;
  await writeFile(host.path(`/etc/systemd/system/${unit}`), text);
  await host.ok('systemctl', 'enable', '--quiet', '--now', unit);
  await host.ok('sync');
}
