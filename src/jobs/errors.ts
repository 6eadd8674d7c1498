import { z } from 'zod';
import { saidText } from './fields/schema.ts';
import { type LimitName, limitNames } from './limits.ts';

/**
 * The table of all error codes with their HTTP status and title. A test compares docs/errors.md
 * with it.
 */
export const errorTable = {
  invalid_request: { status: 400, title: 'The request is not valid' },
  token_invalid: { status: 401, title: 'The token is not valid' },
  token_forbids: { status: 403, title: 'The token does not allow this' },
  not_found: { status: 404, title: 'No such path' },
  container_not_found: { status: 404, title: 'No such gear' },
  repository_not_found: { status: 404, title: 'No such repository' },
  environment_not_found: { status: 404, title: 'No such environment' },
  ref_not_found: { status: 404, title: 'No such ref in the repository' },
  job_not_found: { status: 404, title: 'No such job' },
  host_not_found: { status: 404, title: 'No such host' },
  image_not_found: { status: 404, title: 'No such image' },
  method_not_allowed: { status: 405, title: 'The path does not support this method' },
  repository_exists: { status: 409, title: 'The repository already exists' },
  repository_empty: { status: 409, title: 'The repository has no commit yet' },
  port_taken: { status: 409, title: 'An external port is taken' },
  ports_exhausted: { status: 409, title: 'No external port is free' },
  job_finished: { status: 409, title: 'The job has already finished' },
  host_conflict: { status: 409, title: 'The name belongs to another host' },
  precondition_failed: { status: 412, title: 'The gear already exists' },
  body_too_large: { status: 413, title: 'The body is too large' },
  request_id_reused: { status: 422, title: 'The request id belongs to another request' },
  queue_full: { status: 429, title: 'The queue is full' },
  limit_reached: { status: 429, title: 'A limit is reached' },
  internal: { status: 500, title: 'Internal error' },
  expired: { status: 500, title: 'The job expired' },
  start_failed: { status: 500, title: 'The gear did not start' },
  registry_failed: { status: 502, title: 'The image could not be pulled' },
  clone_failed: { status: 502, title: 'The repository could not be cloned' },
  queue_unavailable: { status: 503, title: 'The queue cannot be reached' },
  no_host: { status: 503, title: 'No host can accept this request' },
  host_unavailable: { status: 503, title: 'The host cannot be reached' },
  timeout: { status: 504, title: 'The operation timed out' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ErrorCode = keyof typeof errorTable;
export const errorCodes = Object.keys(errorTable) as ErrorCode[];

/**
 * A failure as one process sends it to another; the status and the title always come from the table
 * above.
 */
export const toldFailure = z.object({
  code: z.enum(errorCodes),
  detail: saidText(8_000),
  limit: z.enum(limitNames).optional().catch(undefined),
});

/** Rebuilds a failure that another process has sent. */
export const failureOf = ({ code, detail, limit }: z.infer<typeof toldFailure>) =>
  new Failure(code, detail, { limit });

/** An RFC 9457 problem document. */
export const problemDocument = z.object({
  type: z.templateLiteral(['urn:geard:', z.string()]),
  title: z.string(),
  status: z.number(),
  detail: z.string(),
  code: z.enum(errorCodes),
  job: z.string().exactOptional(),
  host: z.string().exactOptional(),
  limit: z
    .enum(limitNames)
    .exactOptional()
    .describe('The name of the limit, for `limit_reached` and `queue_full`'),
});
export type Problem = z.infer<typeof problemDocument>;

export interface FailureOptions {
  /** A retry may succeed a little later: the worker retries with backoff. Default: false. */
  transient?: boolean;
  /** The name of the limit, for `limit_reached` and `queue_full`. */
  limit?: LimitName | undefined;
  cause?: unknown;
}

/**
 * A failure that is part of the contract. The client sees its detail, which must contain no stack,
 * no path of the host, no token and no environment value.
 */
export class Failure extends Error {
  readonly code: ErrorCode;
  readonly transient: boolean;
  readonly limit: LimitName | undefined;

  constructor(code: ErrorCode, detail: string, options: FailureOptions = {}) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'Failure';
    this.code = code;
    this.transient = options.transient ?? false;
    this.limit = options.limit;
  }
}

/** The host cannot do the work now, and perhaps can a little later: the worker retries. */
export const hostUnavailable = (detail: string, cause?: unknown) =>
  new Failure('host_unavailable', detail, { transient: true, cause });

/** A token is not valid, for whatever reason: the text reveals none. */
export const tokenInvalid = () => new Failure('token_invalid', 'the request needs a valid token');

/** A draining host takes nothing new. */
export const hostDraining = (host: string) =>
  new Failure('no_host', `the host ${host} is draining; PUT host/live lets it accept something new again`);

/** The client asked for a new gear by `If-None-Match: *`. */
export const gearExists = (resource: string) =>
  new Failure('precondition_failed', `the gear ${resource} already exists and If-None-Match: * was given`);

export const repositoryExists = (resource: string) =>
  new Failure('repository_exists', `the repository ${resource} already exists`);

/** A limit is reached. `what` names the refused request and says when to try again. */
export const limitReached = (limit: LimitName, what: string) =>
  new Failure('limit_reached', `${what} (limit ${limit})`, { limit });

/** The problem document of a code; `where` adds the job, the host or the limit. */
export function problemOf(
  code: ErrorCode,
  detail: string,
  where: Pick<Problem, 'job' | 'host' | 'limit'> = {},
): Problem {
  const { status, title } = errorTable[code];
  return { type: `urn:geard:${code}`, title, status, detail, code, ...where };
}
