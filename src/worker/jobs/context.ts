import type { Failure } from '../../jobs/errors.ts';
import type { Progress } from '../../jobs/job.ts';
import type { JobType, Params, Result } from '../../jobs/registry.ts';
import type { HostServices } from '../host-services.ts';

/** Everything a handler gets besides its parameters. */
export interface JobContext {
  /** The job's id. */
  job: string;
  /** The tenant whose limits it counts against; see tenantOf. */
  tenant: string;
  /** Whether the job's token allows this name; the outcome tells of no other resource. */
  sees(resource: string): boolean;
  /** Lines of their log name the job and its user. */
  services: HostServices;
  /** Aborts with `HandedBack` or, when the job can be undone, with `Cancelled`. */
  signal: AbortSignal;
  report(progress: Progress): void;
  /**
   * The state that the first run of this job saw. Calls `look` once per job and stores its result
   * on disk before the job goes on. After a fault or a crash, a later run uses it to tell the
   * earlier state from the job's own changes.
   *
   * @example const before = await checkpoint(async () => (await systemd.state(unit)).invocation);
   */
  checkpoint(look: () => Promise<string>): Promise<string>;
}

/** The work of one type of job. */
export interface Handler<T extends JobType> {
  /**
   * Does the work. Reaches the same end when it runs again after a crash or a fault at any point.
   * Throws a `Failure` for errors that the client should know; any other error is internal.
   */
  run(params: Params<T>, context: JobContext): Promise<Result<T>>;
  /**
   * Undoes the work of `run` after it failed for good or was cancelled. Can be repeated. Returns a
   * message for the client, or an empty string. Without `undo`, a job that has begun cannot be
   * cancelled: it runs to its end.
   */
  undo?(params: Params<T>, context: JobContext, why: Failure | null): Promise<string>;
  /**
   * Whether the work of `run` can no longer be undone; default: false. If so, a cancelled job
   * succeeds.
   */
  isCommitted?(params: Params<T>, context: JobContext): Promise<boolean>;
  /**
   * Undoes the changes of an earlier run whose request is refused now. The resource comes from
   * Redis and is not trusted: acts only on what this host itself has recorded for the job. Can be
   * repeated. Returns a message for the client, or an empty string.
   */
  abandon?(resource: string, context: JobContext, why: Failure): Promise<string>;
}

/** Message of `abandon` for a job that can no longer be undone. */
export const staysInEffect = 'an earlier attempt had completed its work, which stays in effect';

export type Handlers = { [T in JobType]: Handler<T> };
