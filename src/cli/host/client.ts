import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { Problem } from '../../jobs/errors.ts';
import { isFinal, type Job } from '../../jobs/job.ts';
import { askHttp, type Query } from '../../lib/ask-http.ts';
import { pause } from '../../lib/async/pause.ts';
import { parseJson } from '../../lib/parse-json.ts';
import { testToken } from '../../token/claims.ts';

export interface ClientOptions {
  /** Where the api is, without a slash at its end. */
  api: string;
  token: string;
  user: string;
  /** Tells the person who waits. */
  tell(line: string): void;
}

/** A client of the HTTP surface. Throws an error whose message says what to do. */
export interface Client {
  get(path: string, query?: Record<string, string>): Promise<unknown>;
  /** Asks for a change that makes no job. */
  remove(path: string, query: Record<string, string>): Promise<unknown>;
  /** Asks for a change and waits until its job has succeeded. */
  change(path: string, query: Record<string, string>): Promise<Job>;
}

/** Seconds that one request waits for a job; the most that an api lets one wait. */
const wait = 60;
/** Milliseconds until an answer must be there. */
const deadline = (wait + 15) * 1000;
/**
 * So often a request is sent to an api that cannot be reached, with pauses that double from this on
 * (milliseconds).
 */
const maxTries = 5;
const firstPause = 250;

/** As much of a job as a client relies on. */
const jobDocument = z.looseObject({ id: z.string().regex(/^[0-9a-f]{32}$/), state: z.string() });
const problemDocument = z.looseObject({ title: z.string(), detail: z.string(), code: z.string() });

export function createClient({ api, token, user, tell }: ClientOptions): Client {
  async function send(
    method: string,
    path: string,
    query: Record<string, string>,
    headers: Record<string, string> = {},
  ): Promise<unknown> {
    const address = `${api}/${path}?${new URLSearchParams(query)}`;
    // In a header and not in the path, so that no proxy writes it into its log.
    const question = { method, headers: { ...headers, Authorization: `Bearer ${token}` }, deadline };
    const { status, text } = await reach(address, question, tell);
    const answer = parseJson(text);
    if (status >= 300) throw new Error(explain(status, answer, token));
    return answer;
  }

  return {
    get: (path, query = {}) => send('GET', path, query),

    remove: (path, query) => send('DELETE', path, query),

    async change(path, query) {
      // One key for all that is sent: whatever of it arrives, and however often, it is one request.
      const headers = { 'Idempotency-Key': `gear-${randomUUID()}`, Prefer: `wait=${wait}` };
      let job = asJob(await send('PUT', path, { u: user, ...query }, headers));
      while (!isFinal(job.state)) {
        tell(`job ${job.id} is ${job.state}${job.progress ? `: ${job.progress.message}` : ''}; waiting`);
        job = asJob(await send('GET', `job/${job.id}`, { wait: String(wait) }));
      }
      if (job.state === 'succeeded') return job;
      throw new Error(job.error ? describe(job.error) : `job ${job.id} was ${job.state}`);
    },
  };
}

/**
 * Sends until there is an answer: what was not heard has changed nothing, and what was heard has
 * the same id again.
 */
async function reach(address: string, question: Query, tell: ClientOptions['tell']) {
  for (let tries = 1; ; tries++) {
    try {
      return await askHttp(address, question);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      const reason = code ?? message;
      const { origin } = new URL(address);
      if (tries === maxTries)
        throw new Error(`the api at ${origin} cannot be reached (${reason}); see --api`);
      const delay = firstPause * 2 ** (tries - 1);
      tell(`the api at ${origin} cannot be reached (${reason}); trying again in ${delay / 1000} s`);
      await pause(delay);
    }
  }
}

function asJob(answer: unknown): Job {
  if (jobDocument.safeParse(answer).success) return answer as Job;
  throw new Error('the answer does not come from an api; see --api');
}

function explain(status: number, answer: unknown, token: string): string {
  const problem = problemDocument.safeParse(answer);
  if (!problem.success) return `the answer is ${status} and does not come from an api; see --api`;
  if (status !== 401) return describe(problem.data);
  const how =
    token === testToken
      ? 'this api does not accept the test token; name a file that holds a token with --token-file, see docs/tokens.md'
      : 'the token in --token-file has expired, or is for another fleet; see "gear token inspect"';
  return `${describe(problem.data)}\n${how}`;
}

const describe = ({ title, detail, code }: Pick<Problem, 'title' | 'detail'> & { code: string }) =>
  `${title} (${code}): ${detail}`;
