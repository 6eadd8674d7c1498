import { z } from 'zod';
import type { ErrorCode } from './errors.ts';
import type { LineKind } from './fields/resource.ts';
import type { ParameterName, Parameters } from './parameters.ts';

export const methods = ['GET', 'PUT', 'PATCH', 'DELETE'] as const;
export type Method = (typeof methods)[number];

/** The form of a request, after the token. */
export interface Route {
  method: Method;
  /**
   * A URI template (RFC 6570): `{id}` is one segment of the path, `{/ref*}` any number, even none.
   */
  path: string;
  /** One line for people. */
  summary: string;
}

/** The parsed parts of a request, besides the name, from which a job's parameters are made. */
export interface JobInput<Body, T> {
  t: T;
  body: Body;
  /** The client sent `If-None-Match: *`. Only if the definition accepts it. */
  createOnly: boolean;
}

/**
 * The full definition of one type of job. The router, the actions of tokens, `gear token create`
 * and the worker's handlers follow from it.
 */
export interface JobDefinition<
  Params extends object = object,
  Result extends z.ZodType = z.ZodType,
  Body extends z.ZodType = z.ZodType,
  T extends z.ZodType = z.ZodType,
  On extends LineKind = LineKind,
> extends Route {
  /** The body of the request. */
  body: Body;
  /** The schema of `t`. Default: `t` is ignored. */
  t?: T;
  /** Whether it accepts `If-None-Match: *`. Default: it is ignored. */
  ifNoneMatch?: true;
  /**
   * Makes the parameters for the worker's handler; the name of the resource joins them. The fields
   * of the body also distinguish requests with the same id.
   */
  paramsOf(input: JobInput<z.infer<Body>, z.infer<T>>): Params;
  /** The `result` of a succeeded job. Checked when the job ends. */
  result: Result;
  /**
   * The codes that the job itself may end with, besides `internal` and those of its token. Checked
   * when the job ends.
   */
  errors: readonly ErrorCode[];
  /** The kind of resource it works on; jobs on one resource run in order of acceptance. */
  on: On;
  /**
   * What it needs of the directory at acceptance: a host, a host without the resource, the host
   * with it, or nothing, because it works on the host itself.
   */
  needs: 'place' | 'absence' | 'presence' | 'host';
  /** The first payload version that had it in its current meaning; see payload-version.ts. */
  since: number;
}

/** The parameter that names the target of a job. */
export const nameParameter = (on: LineKind): 'h' | 'r' => (on === 'host' ? 'h' : 'r');

/** The parameters required by a request that becomes a job. */
export const neededBy = (definition: Pick<JobDefinition, 'on' | 't'>): ParameterName[] => [
  'u',
  'i',
  nameParameter(definition.on),
  ...(requiresT(definition) ? (['t'] as const) : []),
];

/** Whether a request of the kind requires `t`. */
export const requiresT = ({ t }: Pick<JobDefinition, 't'>): boolean =>
  t !== undefined && !t.safeParse(undefined).success;

/** The body of a request that takes no fields. */
export const emptyBody = z.strictObject({});

/** Declares a job; it exists only to keep the exact types. `types/` has examples. */
export function defineJob<
  Params extends object,
  Result extends z.ZodType,
  Body extends z.ZodType,
  T extends z.ZodType = z.ZodUndefined,
  On extends LineKind = LineKind,
>(definition: JobDefinition<Params, Result, Body, T, On>): JobDefinition<Params, Result, Body, T, On> {
  return definition;
}

/** Request headers that affect an answer. */
export type HeaderName = 'Idempotency-Key' | 'Prefer' | 'If-None-Match' | 'Last-Event-ID';

/** The input of a read, from its request. */
export interface ReadInput {
  all: Parameters;
  /** The variable part of the path; empty if there is none. */
  found: string;
}

/** A request that makes no job: a read, a stream, cancelling a job, or forgetting a host. */
export interface ReadDefinition extends Route {
  /** The action that a token must allow; null: any valid token will do. */
  action: string | null;
  /** It changes something, which limits the lifetime of its token. Default: it does not. */
  changes?: true;
  /** It concerns a host and all that is on it: a token limited to resource names is not enough. */
  ofHost?: true;
  /** The `t` that selects it among those with the same path. */
  select?: { t: string };
  /** Required parameters. */
  needs: readonly ParameterName[];
  /** Optional parameters. */
  takes: readonly ParameterName[];
  wants(input: ReadInput): object;
  /** The document that it answers with; for a stream, one line of its JSON form. */
  answer: z.ZodType;
  /** The content types of an answer that is no document. Default: a JSON document. */
  media?: readonly string[];
  /** Headers that it uses. */
  headers?: readonly HeaderName[];
  /** The statuses of its answer, besides those of problems. Default: 200. */
  statuses?: readonly number[];
  /** The codes that it may fail with, besides those of every request. */
  errors: readonly ErrorCode[];
}
