import { Failure } from '../../jobs/errors.ts';
import { pause } from '../../lib/pause.ts';
import { lastLines } from '../host/journal-tail.ts';
import type { UnitState } from '../host/systemd.ts';
import type { Room } from '../room.ts';

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

/** Why a gear did not start: how its process ended and what it said last. */
export async function startFailure(room: Room, resource: string, more?: string): Promise<Failure> {
  const unit = room.paths.unitName(resource);
  const { mainStatus, invocation } = await endedState(room, unit);
  const lines = await lastLines(unit, invocation || null, shownLines, journalDeadline);
  const said = lines.length > 0 ? `; its last lines:\n${lines.join('\n')}` : '; it logged nothing';
  if (
    mainStatus === refusedByDocker &&
    lines.some((line) => /address already in use|port is already allocated/.test(line))
  ) {
    return new Failure('port_taken', 'an external port was taken by another program while the gear started');
  }
  return new Failure('start_failed', `${describe(mainStatus)}${more ? ` (${more})` : ''}${said}`);
}

/** Docker tells of the end of a container before systemd has heard of it, and only systemd knows the exit status. */
async function endedState({ systemd }: Room, unit: string): Promise<UnitState> {
  const until = Date.now() + endDeadline;
  for (;;) {
    const state = await systemd.state(unit);
    if (state.active !== 'active' || Date.now() > until) return state;
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
