import type { Logger } from 'pino';
import type { WorkerLedger } from '../../queue/worker-queue.ts';
import type { Authorizer } from '../authorization.ts';
import type { HostServices } from '../host-services.ts';
import type { Handlers } from './context.ts';
import type { Journal } from './job-journal.ts';

export interface RunnerParts {
  ledger: WorkerLedger;
  authorizer: Authorizer;
  journal: Journal;
  services: HostServices;
  handlers: Handlers;
  /** Kept up to date by the runner: the gears on which a job runs. */
  busy: Set<string>;
  /** Jobs that run side by side; the others wait, each for its user's turn. */
  maxParallelJobs: number;
  log: Logger;
}

/** What the stages of a job work with. */
export interface StageParts extends RunnerParts {
  /** Logs why a job cannot go on. */
  logStall(id: string, error: unknown): void;
}
