import type { ErrorCode, Problem } from '../jobs/errors.ts';
import type { Job } from '../jobs/job.ts';

/**
 * A request that was refused, or a job that did not succeed. An api that cannot be reached is a
 * TypeError of fetch.
 */
export class GeardError extends Error {
  override readonly name = 'GeardError';
  /** Undefined: the answer does not come from geard, but from a proxy before it. */
  readonly code: ErrorCode | 'cancelled' | undefined;
  /** The status of the answer; none of a job. */
  readonly status?: number;
  /** The problem document, where there is one. */
  readonly problem?: Problem;
  /** The job that did not succeed. */
  readonly job?: Job;
  /** Seconds after which the request may be sent again, where the answer says so. */
  readonly retryAfter?: number;

  constructor(code: GeardError['code'], message: string, details: Omit<GeardError, 'code' | keyof Error>) {
    super(message);
    this.code = code;
    Object.assign(this, details);
  }
}

const describe = ({ title, detail, code }: Problem) => `${title} (${code}): ${detail}`;

/** The error for an answer that is no success. */
export async function refusalOf(response: Response): Promise<GeardError> {
  const { status, headers } = response;
  const seconds = Number(headers.get('retry-after'));
  const details = { status, ...(seconds > 0 && { retryAfter: seconds }) };
  if (headers.get('content-type')?.startsWith('application/problem+json')) {
    const problem = (await response.json()) as Problem;
    return new GeardError(problem.code, describe(problem), { ...details, problem });
  }
  await response.text(); // Which frees the connection.
  return new GeardError(undefined, `the answer is ${status} and does not come from geard`, details);
}

/** The error for a job that has ended without success. */
export function failureOf(job: Job): GeardError {
  const { id, error: problem } = job;
  if (problem) return new GeardError(problem.code, describe(problem), { problem, job });
  return new GeardError('cancelled', `the job ${id} was cancelled`, { job });
}
