import type { Answer } from '../../jobs/registry.ts';
import type { Output } from './output.ts';

export type Step = Extract<Answer<'job.log'>, { step: string }>;

/** Shows the progress of jobs, each under a name. */
export interface ProgressDisplay {
  begin(name: string): void;
  step(name: string, step: Step): void;
  /** The job has ended, or the command no longer follows it. */
  end(name: string, outcome: 'succeeded' | 'failed' | 'detached'): void;
}

/** Shows live lines on a terminal, otherwise a line per step; nothing with --quiet or --json. */
export function createProgress(output: Output, names: readonly string[]): ProgressDisplay {
  const width = Math.max(...names.map((name) => name.length));
  if (output.live) return liveProgress(output, width);
  return output.quiet || output.json ? noProgress : plainProgress(output, width);
}

const noProgress: ProgressDisplay = { begin() {}, step() {}, end() {} };

const textOf = ({ step, message }: Step) => `${step.padEnd(8)} ${message}`;

/** Percent between two lines about the same step. */
const between = 10;

/** Prints one line for each step, and for each ten percent of it. */
function plainProgress({ note }: Output, width: number): ProgressDisplay {
  const shown = new Map<string, string>();
  return {
    ...noProgress,
    step(name, step) {
      const percent = step.percent === undefined ? '' : `${Math.floor(step.percent / between) * between} %`;
      const line = `${step.step} ${percent || step.message}`;
      if (shown.get(name) === line) return;
      shown.set(name, line);
      note(`${name.padEnd(width)}  ${textOf(step)}  ${percent}`.trimEnd());
    },
  };
}

interface Active {
  step?: Step;
  /** performance.now() when the step, or the job, began. */
  since: number;
}

const frames = '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏';
const frameMilliseconds = 100;

/** Keeps finished steps on the screen, and below them one line for each running job. */
function liveProgress({ note, keep, paint }: Output, width: number): ProgressDisplay {
  const active = new Map<string, Active>();
  let timer: NodeJS.Timeout | undefined;

  const draw = () => {
    const frame = frames[Math.floor(performance.now() / frameMilliseconds) % frames.length];
    const lines = [...active].map(([name, { step, since }]) => {
      const text = step ? textOf(step) : 'waiting  for the host';
      return `${name.padEnd(width)}  ${frame} ${text}  ${secondsSince(since)}${barOf(step?.percent)}`;
    });
    keep(lines);
  };
  const settle = (name: string, mark: string) => {
    const { step, since } = active.get(name) ?? { since: 0 };
    keep([]);
    if (step) note(`${name.padEnd(width)}  ${mark} ${textOf(step)}  ${secondsSince(since)}`);
  };

  return {
    begin(name) {
      active.set(name, { since: performance.now() });
      timer ??= setInterval(draw, frameMilliseconds);
    },
    step(name, step) {
      const last = active.get(name);
      const isSame = last?.step?.step === step.step;
      if (last?.step && !isSame) settle(name, paint('green', '✓'));
      active.set(name, { step, since: isSame ? last.since : performance.now() });
      draw();
    },
    end(name, outcome) {
      const marks = { succeeded: paint('green', '✓'), failed: paint('red', '✗'), detached: '…' };
      settle(name, marks[outcome]);
      active.delete(name);
      draw();
      if (active.size > 0) return;
      clearInterval(timer);
      timer = undefined;
    },
  };
}

export const secondsSince = (since: number) => `${((performance.now() - since) / 1000).toFixed(1)} s`;

const barWidth = 10;

function barOf(percent: number | undefined): string {
  if (percent === undefined) return '';
  const full = Math.round((percent / 100) * barWidth);
  return `  ${'█'.repeat(full)}${'░'.repeat(barWidth - full)} ${Math.floor(percent)} %`;
}
