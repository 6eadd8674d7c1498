import { z } from 'zod';
import type { ErrorCode } from './errors.ts';
import type { LineKind } from './fields/resource.ts';
import type { ParameterName, Parameters } from './parameters.ts';

/** How a request is made, behind the token. */
export interface Route {
  method: 'GET' | 'PUT' | 'PATCH' | 'DELETE';
  /**
   * A URI template (RFC 6570): `{id}` is one segment of the path, `{/ref*}` any number of them, or
   * none.
   */
  path: string;
  /** One line for people. */
  summary: string;
}

/** What a job's parameters are made of: parts of the request that are parsed already. */
export interface JobInput<Body, T> {
  resource: string;
  t: T;
  body: Body;
  /** `If-None-Match: *` was sent. Only where the definition takes it. */
  createOnly: boolean;
}

/**
 * Everything there is to know about one type of job. The router, the actions of tokens, `gear token
 * create` and the worker's handlers follow from it.
 */
export interface JobDefinition<
  Params extends z.ZodType = z.ZodType,
  Result extends z.ZodType = z.ZodType,
  Body extends z.ZodType = z.ZodType,
  T extends z.ZodType = z.ZodType,
  On extends LineKind = LineKind,
> extends Route {
  /** The body of the request. */
  body: Body;
  /** What `t` of the request must be. Default: `t` is not looked at. */
  t?: T;
  /** Whether `If-None-Match: *` is taken. Default: it is ignored. */
  ifNoneMatch?: true;
  /** What the worker's handler is given. */
  params: Params;
  /** Makes them. The fields of the body also tell one request from another of the same id. */
  paramsOf(input: JobInput<z.infer<Body>, z.infer<T>>): z.infer<Params>;
  /** What `result` of a succeeded job holds. Checked as a job ends. */
  result: Result;
  /**
   * The codes with which the job itself may end, besides `internal` and those of its token. Checked
   * as a job ends.
   */
  errors: readonly ErrorCode[];
  /**
   * The kind of resource it works on; jobs on one resource run in the order of their acceptance.
   */
  on: On;
  /**
   * What it needs of the directory when it is accepted: a host, a host without the resource, the
   * one with it, or nothing, because it is on the host itself.
   */
  needs: 'place' | 'absence' | 'presence' | 'host';
  /** The payload version that first knew it, and what it means now; see payload-version.ts. */
  since: number;
}

/** The parameter that names what a job works on. */
export const nameParameter = (on: LineKind): 'h' | 'r' => (on === 'host' ? 'h' : 'r');

/** The parameters that a request which becomes a job cannot do without. */
export const neededBy = (definition: Pick<JobDefinition, 'on' | 't'>): ParameterName[] => [
  'u',
  'i',
  nameParameter(definition.on),
  ...(requiresT(definition) ? (['t'] as const) : []),
];

/** Whether a request of the kind cannot do without `t`. */
export const requiresT = ({ t }: Pick<JobDefinition, 't'>): boolean =>
  t !== undefined && !t.safeParse(undefined).success;

/** The body of a request that says nothing there. */
export const emptyBody = z.strictObject({});

/**
 * Declares a job; only there to keep the exact types.
 *
 * @example
 * export const containerStop = defineJob({
 *   method: 'PUT',
 *   path: '/container/stopped',
 *   summary: 'Stops a gear, also after a reboot',
 *   ...onGear,
 *   result: gearState,
 *   errors: ['container_not_found', 'host_unavailable', 'timeout'],
 *   needs: 'presence',
 *   since: 1,
 * });
 */
export function defineJob<
  Params extends z.ZodType,
  Result extends z.ZodType,
  Body extends z.ZodType,
  T extends z.ZodType = z.ZodUndefined,
  On extends LineKind = LineKind,
>(definition: JobDefinition<Params, Result, Body, T, On>): JobDefinition<Params, Result, Body, T, On> {
  return definition;
}

/** Headers that decide about an answer. */
export type HeaderName = 'Idempotency-Key' | 'Prefer' | 'If-None-Match' | 'Last-Event-ID';

/** What a read finds in its request. */
export interface ReadInput {
  all: Parameters;
  /** The variable part of the path; empty where there is none. */
  found: string;
}

/** A request that makes no job: a read, a stream, or a change of what is no resource. */
export interface ReadDefinition<
  Action extends string | null = string | null,
  Wants extends object = object,
  Answer extends z.ZodType = z.ZodType,
  Needs extends ParameterName = ParameterName,
  Takes extends ParameterName = ParameterName,
> extends Route {
  /** What a token must allow for it; null: any valid token will do. */
  action: Action;
  /** It changes something, so that its token may not live long. Default: it does not. */
  changes?: true;
  /** It is about a host and all that is on it: a token for names of resources does not allow it. */
  ofHost?: true;
  /** Of two with the same path the one whose `t` this is. */
  select?: { t: string };
  /** Parameters that it cannot do without. */
  needs: readonly Needs[];
  /** Parameters that it takes besides. */
  takes: readonly Takes[];
  wants(input: ReadInput): Wants;
  /** The document that it answers with; of a stream, one line of its form in JSON. */
  answer: Answer;
  /** The content types of an answer that is no document. Default: a JSON document. */
  media?: readonly string[];
  /** Headers that it looks at. */
  headers?: readonly HeaderName[];
  /** The statuses of its answer, besides those of problems. Default: 200. */
  statuses?: readonly number[];
  /** The codes with which it may fail, besides those of every request. */
  errors: readonly ErrorCode[];
}

/** Declares a read; only there to keep the exact types. */
export function defineRead<
  Action extends string | null,
  Wants extends object,
  Answer extends z.ZodType,
  Needs extends ParameterName,
  Takes extends ParameterName,
>(
  definition: ReadDefinition<Action, Wants, Answer, Needs, Takes>,
): ReadDefinition<Action, Wants, Answer, Needs, Takes> {
  return definition;
}
