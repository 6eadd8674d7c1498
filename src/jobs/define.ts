import type { z } from 'zod';
import type { ErrorCode } from './errors.ts';
import type { LineKind } from './fields/resource.ts';

/** Everything there is to know about one type of job; the worker's handler is typed by it. */
export interface JobDefinition<Params extends z.ZodType = z.ZodType, Result extends z.ZodType = z.ZodType> {
  /** What the client asked for, as it travels in the record. Checked by the api and again by the worker. */
  params: Params;
  /** What `result` of a succeeded job holds. */
  result: Result;
  /** The codes with which the job itself may end, besides `internal` and those of its token. */
  errors: readonly ErrorCode[];
  /** What kind of thing it works on; jobs on one thing run in the order of their acceptance. */
  on: LineKind;
  /**
   * What it needs of the directory when it is accepted: a host, a host without the resource, the one with it, or
   * nothing, because it is on the host itself.
   */
  needs: 'place' | 'absence' | 'presence' | 'host';
}

/** Declares a job; only there to keep the exact types. */
export function defineJob<Params extends z.ZodType, Result extends z.ZodType>(
  definition: JobDefinition<Params, Result>,
): JobDefinition<Params, Result> {
  return definition;
}
