import type { ErrorCode, Problem } from '../jobs/errors.ts';
import type { Job } from '../jobs/job.ts';

/**
 * A refused request, or a job that did not succeed. If the api cannot be reached, fetch throws a
 * TypeError instead.
 */
export class GeardError extends Error {
  override readonly name = 'GeardError';
  /** Undefined if the answer comes from a proxy in front of geard, not from geard. */
  readonly code: ErrorCode | 'cancelled' | undefined;
  /** The HTTP status of the answer; absent for a job. */
  readonly status?: number;
  /** The problem document, if there is one. */
  readonly problem?: Problem;
  /** The job that did not succeed. */
  readonly job?: Job;
  /** Seconds to wait before a retry, if the answer names them. */
  readonly retryAfter?: number;

  constructor(code: GeardError['code'], message: string, details: Omit<GeardError, 'code' | keyof Error>) {
    super(message);
    this.code = code;
    Object.assign(this, details);
  }
}

const describe = ({ title, detail, code }: Problem) => `${title} (${code}): ${detail}`;

/** Creates the error for an unsuccessful answer. */
export async function refusalOf(response: Response): Promise<GeardError> {
  const { status, headers } = response;
  const seconds = Number(headers.get('retry-after'));
  const details = { status, ...(seconds > 0 && { retryAfter: seconds }) };
  if (headers.get('content-type')?.startsWith('application/problem+json')) {
    const problem = await documentOf<Problem>(response);
    return new GeardError(problem.code, describe(problem), { ...details, problem });
  }
  await response.text(); // Frees the connection.
  return foreign(details);
}

const foreign = (details: { status: number; retryAfter?: number }) =>
  new GeardError(undefined, `the answer is ${details.status} and does not come from geard`, details);

/** Reads the JSON document of an answer. */
export const documentOf = async <T>(response: Response): Promise<T> =>
  parsed(await response.text(), response);

/**
 * Parses the JSON of an answer, or of one of its lines. Throws GeardError for anything else: a
 * proxy may answer with a page of its own and status 200, such as that of a login.
 */
export function parsed<T>(text: string, { status }: Response): T {
  try {
    return JSON.parse(text);
  } catch {
    throw foreign({ status });
  }
}

/** Creates the error for a job that failed or was cancelled. */
export function failureOf(job: Job): GeardError {
  const { id, error: problem } = job;
  if (problem) return new GeardError(problem.code, describe(problem), { problem, job });
  return new GeardError('cancelled', `the job ${id} was cancelled`, { job });
}
