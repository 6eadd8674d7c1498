import type { WorkerRecords } from '../../queue/worker-queue.ts';
import type { Authorizer } from '../authorization.ts';
import type { HostServices } from '../host-services.ts';
import type { Handlers } from '../jobs/context.ts';
import type { JobJournal } from '../jobs/job-journal.ts';

export interface RunnerParts {
  records: WorkerRecords;
  authorizer: Authorizer;
  journal: JobJournal;
  services: HostServices;
  handlers: Handlers;
}

/** Everything needed by the stages of a job. */
export interface StageParts extends RunnerParts {
  /** Logs why a job cannot go on. */
  logStall(id: string, error: unknown): void;
}
