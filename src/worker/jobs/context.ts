import type { Failure } from '../../jobs/errors.ts';
import type { Progress } from '../../jobs/job.ts';
import type { JobType, Params, Result } from '../../jobs/registry.ts';
import type { HostServices } from '../host-services.ts';

/** What a handler is given besides its parameters. */
export interface JobContext {
  /** The job's id. */
  job: string;
  /** Whom it is counted for; see tenantOf. */
  tenant: string;
  /** What they log says which job it is, and whose. */
  services: HostServices;
  /** Aborts with `HandedBack` or, where the job can be taken back, with `Cancelled`. */
  signal: AbortSignal;
  report(progress: Progress): void;
  /**
   * What the first run of this job has seen: `look` is called once for a job, and what it returns
   * is on disk before the job goes on. A later run, after a fault or a crash, tells by it what was
   * so before from what the job has done itself.
   *
   * @example const before = await checkpoint(async () => (await systemd.state(unit)).invocation);
   */
  checkpoint(look: () => Promise<string>): Promise<string>;
}

/** The work of one type of job. */
export interface Handler<T extends JobType> {
  /**
   * Does it. Can be run again after a crash or a fault at any point and comes to the same end.
   * Throws a `Failure` for what the client should know; anything else is a fault of ours.
   */
  run(params: Params<T>, context: JobContext): Promise<Result<T>>;
  /**
   * Takes back what `run` has begun, after it failed for good or was cancelled. Can be repeated.
   * Returns what the client should know of it, or nothing. Without it a job that has begun cannot
   * be cancelled: it comes to its end.
   */
  undo?(params: Params<T>, context: JobContext, why: Failure | null): Promise<string>;
  /**
   * Whether what `run` has done can no longer be taken back; default: it can. A job that is
   * cancelled then has succeeded.
   */
  isCommitted?(params: Params<T>, context: JobContext): Promise<boolean>;
}

export type Handlers = { [T in JobType]: Handler<T> };
