import type { Logger } from 'pino';
import type { Failure } from '../jobs/errors.ts';
import type { Progress } from '../jobs/job.ts';
import type { JobType, Params, Result } from '../jobs/registry.ts';
import type { Room } from './room.ts';

/** What a handler is given besides its parameters. */
export interface JobContext {
  /** The job's id. */
  job: string;
  /** Counts from 1; more than 1 means that an earlier one was cut short. */
  attempt: number;
  /** When the first attempt began, milliseconds since the epoch. */
  begunAt: number;
  room: Room;
  /** Aborts with `Cancelled` or `HandedBack`. */
  signal: AbortSignal;
  report(progress: Progress): void;
  log: Logger;
}

/** The work of one type of job. */
export interface Handler<T extends JobType> {
  /**
   * Does it. Can be run again after a crash at any point and comes to the same end. Throws a `Failure` for what
   * the client should know; anything else is a fault of ours.
   */
  run(params: Params<T>, context: JobContext): Promise<Result<T>>;
  /**
   * Takes back what `run` has begun, after it failed for good or was cancelled. Can be repeated. Returns what the
   * client should know of it, or nothing.
   */
  undo?(params: Params<T>, context: JobContext, why: Failure | null): Promise<string>;
}

export type Handlers = { [T in JobType]: Handler<T> };
