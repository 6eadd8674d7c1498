import assert from 'node:assert/strict';
import { appendFileSync } from 'node:fs';
import { openPaths } from '../../src/api/openapi/open-paths.ts';
import { type Operation, ofAll, operations } from '../../src/api/openapi/operations.ts';
import type { JobDefinition } from '../../src/jobs/define.ts';
import { type ErrorCode, Failure, problemDocument } from '../../src/jobs/errors.ts';
import { type Job, jobDocument } from '../../src/jobs/job.ts';
import { isJobType, jobs } from '../../src/jobs/registry.ts';
import { matchRoute } from '../../src/requests/routes.ts';

export interface Told {
  status: number;
  headers: Headers;
  text: string;
}

const all = operations();

/**
 * Throws where an answer of an api is not as docs/openapi.json has it: its status, its content type, every field of its document,
 * and the code of a problem. Where GEARD_ANSWERS names a file, a line there tells what was compared.
 */
export function assertDocumented(method: string, path: string, { status, headers, text }: Told): void {
  if (process.env['VITEST'] === undefined) return; // A benchmark measures the api, not this.
  const what = `${method} ${path} ${status}: ${text.slice(0, 500)}`;
  const kinds = operationsFor(method, path);
  const type = headers.get('content-type')?.split(';')[0] ?? '';
  if (status >= 400) assertProblem(kinds, { status, type, text }, what);
  else if (Object.hasOwn(openPaths, path)) assert.ok(status === 200 || status === 304, what);
  else assertAnswer(kinds, { status, type, text }, what);
  const { GEARD_ANSWERS: file } = process.env;
  if (file) appendFileSync(file, `${kinds.map(({ name }) => name).join('|') || path} ${status}\n`);
}

/** The kinds of request that a method and a path may be; none where nothing is there. */
function operationsFor(method: string, path: string): Operation[] {
  try {
    const asked = { method: (method === 'HEAD' ? 'GET' : method) as 'GET', path };
    const { candidates } = matchRoute(asked);
    return all.filter((one) => candidates.some(({ name }) => name === one.name && method === one.method));
  } catch (error) {
    assert.ok(error instanceof Failure, String(error));
    return [];
  }
}

/** What may be said of a path that is none, or needs no token. */
const ofNothing: readonly ErrorCode[] = ['not_found', 'method_not_allowed', ...ofAll];

interface Body {
  status: number;
  type: string;
  text: string;
}

function assertProblem(kinds: Operation[], { status, type, text }: Body, what: string): void {
  if (type === 'text/plain') return;
  assert.equal(type, 'application/problem+json', what);
  const problem = exactly(problemDocument, JSON.parse(text), what);
  assert.equal(problem.status, status, what);
  const expected = kinds.length > 0 ? kinds.flatMap(({ errors }) => errors) : ofNothing;
  assert.ok(expected.includes(problem.code), `${what}: the document has ${expected.join(', ')}`);
}

function assertAnswer(kinds: Operation[], { status, type, text }: Body, what: string): void {
  const fitting = kinds.filter(
    ({ statuses, media }) => statuses.includes(status) && (status === 304 || media.includes(type)),
  );
  const [operation] = fitting;
  assert.ok(operation, what);
  const { answer } = operation;
  if (type === 'application/json') {
    const document = exactly(answer, JSON.parse(text), what);
    if (answer === jobDocument) assertResult(document as Job, what);
  }
  if (type === 'application/x-ndjson')
    for (const line of text.split('\n').filter(Boolean)) exactly(answer, JSON.parse(line), what);
}

/** What a job came to is as its type has it. */
function assertResult({ type, state, result }: Job, what: string): void {
  if (state !== 'succeeded' || result === null || !isJobType(type)) return;
  const definition: JobDefinition = jobs[type];
  exactly(definition.result, result, what);
}

/** The value as a schema has it, which must be all of the value. */
export function exactly<T>(schema: { parse(value: unknown): T }, value: unknown, what: string): T {
  let parsed: T;
  try {
    parsed = schema.parse(value);
  } catch (error) {
    throw new Error(`${what}: ${(error as Error).message}`);
  }
  assert.deepEqual(parsed, value, what);
  return parsed;
}
