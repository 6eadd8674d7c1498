import { Failure } from '../../jobs/errors.ts';
import { pause } from '../../lib/async/pause.ts';
import { takenDownByDocker } from '../docker/service.ts';
import { diskIsFull, saysDiskIsFull } from '../host/files.ts';
import type { HostServices } from '../host-services.ts';
import { lastLines } from '../journald/journal-tail.ts';
import type { UnitState } from '../systemd/systemd.ts';

/** Lines of the gear's log that a failure shows. */
const shownLines = 10;
/** Milliseconds the journal may take for them. */
const journalDeadline = 5_000;
/** Milliseconds systemd may take to notice that the process has ended. */
const endDeadline = 2_000;

/** `docker run` exits so when Docker itself refused, not the gear's process (docker-run(1), exit status). */
const refusedByDocker = 125;
const notExecutable = 126;
const notFound = 127;

/**
 * What passes by itself: systemd, at a reload on cgroup v1, has removed the empty cgroup that runc had just made; or Docker
 * has finished making a container whose start was cut short, and which the unit removes as it ends.
 */
const passing = /unable to apply cgroup configuration|container name "[^"]+" is already in use/;

/** What is known of a start that failed: what systemd says of its own job, or what the process that runs does not do. */
export interface StartSymptom {
  systemdSays?: string;
  silence?: string;
}

/**
 * Why a gear did not start: how its process ended, or what it does not do, and what it said last. Where another run of
 * dockerd is up than before the start, or none, that is why, and it passes.
 */
export async function startFailure(
  services: HostServices,
  resource: string,
  dockerBefore: string | null,
  { systemdSays, silence }: StartSymptom,
): Promise<Failure> {
  const { systemd, paths } = services;
  const unit = paths.unitName(resource);
  const { mainStatus, invocation } = silence ? await systemd.state(unit) : await endedState(services, unit);
  const lines = await lastLines(unit, invocation || null, shownLines, journalDeadline);
  const takenDown = await takenDownByDocker(systemd, dockerBefore);
  if (takenDown) return takenDown;
  if (mainStatus >= refusedByDocker && mainStatus <= notFound && lines.some((line) => passing.test(line)))
    return new Failure('host_unavailable', 'Docker could not make the container', { transient: true });
  if (mainStatus === refusedByDocker && lines.some(saysDiskIsFull))
    return diskIsFull(new Error(lines.join('\n')));
  const said = lines.length > 0 ? `; its last lines:\n${lines.join('\n')}` : '; it logged nothing';
  if (
    mainStatus === refusedByDocker &&
    lines.some((line) => /address already in use|port is already allocated/.test(line))
  ) {
    return new Failure('port_taken', 'an external port was taken by another program while the gear started');
  }
  const ended = `${describe(mainStatus)}${systemdSays ? ` (systemd says ${systemdSays})` : ''}`;
  return new Failure('start_failed', `${silence ?? ended}${said}`);
}

/** Docker tells of the end of a container before systemd has heard of it, and only systemd knows the exit status. */
async function endedState({ systemd }: HostServices, unit: string): Promise<UnitState> {
  const until = performance.now() + endDeadline;
  for (;;) {
    const state = await systemd.state(unit);
    if (state.active !== 'active' || performance.now() > until) return state;
    await pause(20);
  }
}

function describe(status: number): string {
  switch (status) {
    case refusedByDocker:
      return `Docker could not create the container (exit status ${status})`;
    case notExecutable:
      return `the command in the container cannot be executed (exit status ${status})`;
    case notFound:
      return `the command does not exist in the container (exit status ${status})`;
    default:
      return `the gear's process ended at once with exit status ${status}`;
  }
}
