import { Failure } from '../../../jobs/errors.ts';
import { pause } from '../../../lib/async/pause.ts';
import { takenDown } from '../../engine/service.ts';
import type { HostServices } from '../../host-services.ts';
import { lastLines } from '../../journald/journal-tail.ts';
import type { UnitState } from '../../systemd/systemd.ts';

/** Lines of the gear's log that a failure shows. */
const shownLines = 10;
/** Milliseconds the journal may take for them. */
const journalDeadline = 5_000;
/** Milliseconds systemd may take to notice that the process has ended. */
const endDeadline = 2_000;

/**
 * What is known of a start that failed: what systemd says of its own job, or what the process that
 * runs does not do.
 */
export interface StartSymptom {
  systemdSays?: string;
  silence?: string;
}

/**
 * Why a gear did not start: how its process ended, or what it does not do, and what it said last.
 * Where another run of the engine is up than before the start, or none, that is why, and it passes.
 */
export async function startFailure(
  services: HostServices,
  resource: string,
  engineBefore: string | null,
  { systemdSays, silence }: StartSymptom,
): Promise<Failure> {
  const { systemd, engine, paths } = services;
  const unit = paths.unitName(resource);
  const { mainStatus, invocation } = silence ? await systemd.state(unit) : await endedState(services, unit);
  const lines = await lastLines(unit, invocation || null, shownLines, journalDeadline);
  const wasTakenDown = await takenDown(services, engineBefore);
  if (wasTakenDown) return wasTakenDown;
  const why =
    engine.explainExit(mainStatus, lines) ??
    `the gear's process ended at once with exit status ${mainStatus}`;
  if (why instanceof Failure) return why;
  const said = lines.length > 0 ? `; its last lines:\n${lines.join('\n')}` : '; it logged nothing';
  const ended = `${why}${systemdSays ? ` (systemd says ${systemdSays})` : ''}`;
  return new Failure('start_failed', `${silence ?? ended}${said}`);
}

/**
 * The engine tells of the end of a container before systemd has heard of it, and only systemd knows
 * the exit status.
 */
async function endedState({ systemd }: HostServices, unit: string): Promise<UnitState> {
  const until = performance.now() + endDeadline;
  for (;;) {
    const state = await systemd.state(unit);
    if (state.active !== 'active' || performance.now() > until) return state;
    await pause(20);
  }
}
