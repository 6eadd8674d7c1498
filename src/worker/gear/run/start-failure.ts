import { Failure } from '../../../jobs/errors.ts';
import { pause } from '../../../lib/async/pause.ts';
import { takenDown } from '../../engine/service.ts';
import type { HostServices } from '../../host-services.ts';
import { lastLines } from '../../journald/journal-tail.ts';
import type { UnitState } from '../../systemd/systemd.ts';

/** Timeout for systemd to notice that the process has ended, in milliseconds. */
const endDeadline = 2_000;

/**
 * The symptom of a failed start: systemd's result of its own job, or the silence of the running
 * process.
 */
export interface StartSymptom {
  systemdSays?: string;
  silence?: string;
}

/**
 * Why a gear did not start: its process's end or silence, and its last log lines. If the engine is
 * down or in another run than before the start, that is why, and the failure is transient.
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
  const lines = await lastLines(unit, invocation);
  const wasTakenDown = await takenDown(services, engineBefore);
  if (wasTakenDown) return wasTakenDown;
  const why =
    engine.explainExit(mainStatus, lines) ??
    `the gear's process ended at once with exit status ${mainStatus}`;
  if (why instanceof Failure) return why;
  const shown = lines.map(engine.shownLine);
  const said = lines.length > 0 ? `; its last lines:\n${shown.join('\n')}` : '; it logged nothing';
  const ended = `${why}${systemdSays ? ` (systemd says ${systemdSays})` : ''}`;
  return new Failure('start_failed', `${silence ?? ended}${said}`);
}

/**
 * The engine reports the end of a container before systemd notices it, and only systemd knows the
 * exit status.
 */
async function endedState({ systemd }: HostServices, unit: string): Promise<UnitState> {
  const until = performance.now() + endDeadline;
  for (;;) {
    const state = await systemd.state(unit);
    if (state.active !== 'active' || performance.now() > until) return state;
    await pause(20);
  }
}
