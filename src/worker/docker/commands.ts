import { isIPv6 } from 'node:net';
import { Failure, hostUnavailable } from '../../jobs/errors.ts';
import type { ContainerRun, EngineCommands } from '../engine/engine.ts';
import { withoutDirectories } from '../engine/failures.ts';
import { diskIsFull, saysDiskIsFull } from '../host/files.ts';
import { gearLabel, jobLabel } from './labels.ts';

/** The client that units run; another one in PATH may have another version. */
const client = '/usr/bin/docker';

/** Exit statuses of `docker run` (docker-run(1)) when the container's process did not run. */
const refused = 125;
const sentences: Record<number, string> = {
  [refused]: 'Docker could not create the container',
  126: 'the command in the container cannot be executed',
  127: 'the command does not exist in the container',
};

/**
 * Transient errors: at a reload on cgroup v1, systemd removed the empty cgroup that runc had just
 * made; or Docker finished making a container after an interrupted start, and the unit removes that
 * container as it ends.
 */
const transient = /unable to apply cgroup configuration|container name "[^"]+" is already in use/;

const isByClient = (line: string) => line.startsWith('docker: ');

export const dockerCommands: EngineCommands = {
  name: 'Docker',
  service: 'docker.service',
  runCommand,
  stopCommand: (name, seconds) => [client, 'stop', '--time', String(seconds), name],
  removeCommand: (name) => [client, 'rm', '--force', '--volumes', name],

  isByClient,

  // An error of the gear's own command names paths inside the container.
  shownLine: (line) => (isByClient(line) && !line.includes(' exec: "') ? withoutDirectories(line) : line),

  explainExit(status, said) {
    const sentence = sentences[status];
    if (sentence === undefined) return null;
    const lines = said.filter(isByClient);
    const says = (pattern: RegExp) => lines.some((line) => pattern.test(line));
    if (says(transient)) return hostUnavailable('Docker could not create the container');
    if (status === refused && lines.some(saysDiskIsFull)) return diskIsFull(new Error(lines.join('\n')));
    if (status === refused && says(/address already in use|port is already allocated/)) {
      const detail =
        'another program took an external port while the gear started; stop it, or install the gear with another port';
      return new Failure('port_taken', detail);
    }
    return `${sentence} (exit status ${status})`;
  },
};

/**
 * The order of the words is part of every gear's unit: a change restarts each gear at its next
 * installation.
 */
function runCommand(run: ContainerRun): string[] {
  const { owner, user, hosts } = run;
  const known = hosts?.map(([name, address]) => `${name}:${address}`);
  const volumes = run.volumes?.map(({ from, path }) => `${from}:${path}`);
  return [
    client,
    'run',
    '--rm',
    '--init',
    '--pull=never',
    '--log-driver=none',
    `--name=${run.name}`,
    'gear' in owner ? `--label=${gearLabel}=${owner.gear}` : `--label=${jobLabel}=${owner.job}`,
    '--security-opt=no-new-privileges',
    // Docker runs an image's checks outside the container's cgroup, as often as the image says.
    '--no-healthcheck',
    '--cap-drop=ALL',
    ...options('cap-add', run.capabilities),
    ...option('user', user && `${user.uid}:${user.gid}`),
    ...(run.readOnlyExceptTmp ? ['--read-only', `--tmpfs=/tmp:size=${run.readOnlyExceptTmp}`] : []),
    `--pids-limit=${run.pids}`,
    ...option('network', run.network),
    ...option('network-alias', run.alias),
    // No server answers there: a name that is not listed is not found.
    ...option('dns', hosts && '127.0.0.1'),
    ...options('add-host', known),
    ...options('publish', run.ports?.map(publication)),
    ...options('env-file', run.envFiles), // The later file counts (docker-run(1)).
    ...options('env', run.env),
    ...options('volume', volumes),
    ...option('workdir', run.directory),
    ...option('memory', run.memory),
    ...option('memory-swap', run.swap === false ? run.memory : undefined),
    ...option('cpus', run.cpus),
    ...(run.fileBytes === undefined ? [] : [`--ulimit=fsize=${run.fileBytes}`, '--ulimit=core=0']),
    ...option('entrypoint', run.entrypoint),
    run.image,
    ...run.command,
  ];
}

const option = (name: string, value: string | number | undefined) =>
  value === undefined ? [] : [`--${name}=${value}`];

const options = (name: string, values: readonly string[] = []) => values.map((value) => `--${name}=${value}`);

function publication({ address, external, internal }: NonNullable<ContainerRun['ports']>[number]): string {
  const on = address === undefined ? '' : `${isIPv6(address) ? `[${address}]` : address}:`;
  return `${on}${external}:${internal}`;
}
