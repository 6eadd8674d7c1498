import type { z } from 'zod';
import type { ErrorCode } from './errors.ts';
import type { Kind } from './resource.ts';

/** Everything there is to know about one type of job; the worker's handler is typed by it. */
export interface JobDefinition<Params extends z.ZodType = z.ZodType, Result extends z.ZodType = z.ZodType> {
  /** What the client asked for, as it travels in the record. Checked by the api and again by the worker. */
  params: Params;
  /** What `result` of a succeeded job holds. */
  result: Result;
  /** The codes with which the job itself may end, besides `internal` and those of its token. */
  errors: readonly ErrorCode[];
  /** What kind of resource it works on; jobs on one resource run in the order of their acceptance. */
  on: Kind;
  /** What it needs of the directory when it is accepted: a host, a host without the resource, or the one with it. */
  needs: 'place' | 'absence' | 'presence';
}

/** Declares a job; only there to keep the exact types. */
export function defineJob<Params extends z.ZodType, Result extends z.ZodType>(
  definition: JobDefinition<Params, Result>,
): JobDefinition<Params, Result> {
  return definition;
}
