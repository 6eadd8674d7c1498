import { errorCodes } from '../jobs/errors.ts';
import { jobStates } from '../jobs/job.ts';
import { jobTypes } from '../jobs/registry.ts';
import { Counter, Gauge, Histogram } from '../lib/metrics/metric.ts';
import { beginStep } from '../lib/tracing.ts';

/** Metrics of a worker. docs/metrics.md lists all of them. */

const seconds = [0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900];

/** Steps that jobs report. A test compares the handlers with this list. */
export const steps = [
  'check',
  'clone',
  'copy',
  'directory',
  'drain',
  'environment',
  'git',
  'image',
  'look',
  'ports',
  'pull',
  'ready',
  'remove',
  'retry',
  'start',
  'stop',
  'unit',
  'wait',
];

export const finished = new Counter(
  'geard_jobs_finished_total',
  'Finished jobs; code: the error code of failed jobs',
  { type: jobTypes, state: jobStates, code: errorCodes },
);
export const waitSeconds = new Histogram(
  'geard_job_wait_seconds',
  'Time from the acceptance of a job until its first start',
  { type: jobTypes },
  seconds,
);
export const jobSeconds = new Histogram(
  'geard_job_duration_seconds',
  'Time from the start or restart of a job to its outcome',
  { type: jobTypes, state: jobStates },
  seconds,
);
export const stepSeconds = new Histogram(
  'geard_job_step_seconds',
  'Duration of the steps of jobs: from the first report of a step to that of the next one',
  { step: steps },
  seconds,
);
export const running = new Gauge('geard_jobs_running', 'Running jobs', {});
export const busReconnects = new Counter(
  'geard_dbus_reconnects_total',
  'Reconnections to D-Bus after the connection was lost',
  {},
);

/**
 * Measures and traces the steps of a job. Call the returned function with each step; null ends the
 * last step.
 */
export function followSteps(): (step: string | null) => void {
  let current: string | null = null;
  let since = 0;
  let endSpan: (() => void) | null = null;
  return (step) => {
    if (step === current) return;
    const now = performance.now();
    if (current !== null) stepSeconds.observe({ step: current }, (now - since) / 1000);
    current = step;
    since = now;
    endSpan?.();
    endSpan = step === null ? null : beginStep(step);
  };
}
