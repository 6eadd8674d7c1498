import assert from 'node:assert/strict';
import { appendFileSync } from 'node:fs';
import { z } from 'zod';
import { openPaths } from '../../src/api/openapi/open-paths.ts';
import { type Operation, ofAll, operations } from '../../src/api/openapi/operations.ts';
import type { JobDefinition } from '../../src/jobs/define.ts';
import { type ErrorCode, Failure, type Problem, problemDocument, problemOf } from '../../src/jobs/errors.ts';
import { type Job, jobDocument } from '../../src/jobs/job.ts';
import { isJobType, jobs } from '../../src/jobs/registry.ts';
import { containerLog } from '../../src/jobs/types/container-reads.ts';
import { jobLog } from '../../src/jobs/types/job.ts';
import { matchRoute } from '../../src/requests/routes.ts';

/** An answer of an api. */
export interface Told {
  status: number;
  headers: Headers;
  /** Null: nobody has kept it, or it goes on. The head is compared alone. */
  body: Buffer | null;
  /** It was cut off, so that its last line may be a part of one. Default: it came to its end. */
  isPart?: boolean;
}

const all = operations();

/**
 * Throws where an answer of an api is not as docs/openapi.json has it: its status, its content type,
 * every field of its document, every line or event of its stream, and the code of a problem. The
 * target is the path as it was sent, with the token and the query. Where GEARD_ANSWERS names a file,
 * a line there tells what was compared.
 *
 * Of some answers only the head is compared. HEAD has no body. To the document archives are bytes,
 * and metrics, variables and logs in plain text are any text: tests unpack the archives and read
 * the texts, and promtool checks the metrics.
 */
export function assertDocumented(method: string, target: string, told: Told): void {
  if (process.env['VITEST'] === undefined) return; // A benchmark measures the api, not this.
  const { status, headers } = told;
  const asked = method === 'HEAD' ? 'GET' : method;
  const { path, t } = placeOf(target);
  const kinds = operationsFor(asked, path, t);
  const isOpen = asked === 'GET' && Object.hasOwn(openPaths, path);
  const type = headers.get('content-type')?.split(';')[0] ?? '';
  const answer = { status, type, isPart: told.isPart ?? false, body: method === 'HEAD' ? null : told.body };
  const what = `${method} ${path} ${status}: ${told.body?.toString('utf8', 0, 500) ?? ''}`;
  if (status >= 400) assertProblem(kinds, answer, what);
  else if (isOpen) assertOpen(path as keyof typeof openPaths, answer, what);
  else assertAnswer(kinds, answer, what);
  const { GEARD_ANSWERS: file } = process.env;
  const name = isOpen ? path : (kinds[0]?.name ?? '-');
  if (file) appendFileSync(file, `${asked} ${name} ${status}\n`);
}

/** Where a request goes: the path behind its token, and the `t` of its query. */
function placeOf(target: string): { path: string; t: string | null } {
  const [path, query] = target.replace(/^\/token\/[^/?]*/, '').split(/\?(.*)/s);
  return { path: path || '/', t: new URLSearchParams(query).get('t') };
}

/** The kinds of request that these may be; none where nothing is there. */
function operationsFor(method: string, path: string, t: string | null): Operation[] {
  try {
    const { candidates } = matchRoute({ method: method as 'GET', path });
    const kinds = all.filter(
      (one) => method === one.method && candidates.some(({ name }) => name === one.name),
    );
    const selected = kinds.filter(({ select }) => select === undefined || select === t);
    return selected.length > 0 ? selected : kinds; // The token may have told which.
  } catch (error) {
    assert.ok(error instanceof Failure, String(error));
    return [];
  }
}

/** What may be said of a path that is none, or needs no token. */
const ofNothing: readonly ErrorCode[] = ['not_found', 'method_not_allowed', ...ofAll];

interface Answer {
  status: number;
  type: string;
  body: Buffer | null;
  isPart: boolean;
}

function assertProblem(kinds: Operation[], { status, type, body, isPart }: Answer, what: string): void {
  assert.ok(type === 'application/problem+json' || type === 'text/plain', what);
  if (body === null || isPart) return;
  const said = type === 'text/plain' ? inWords(String(body), what) : json(String(body), what);
  const problem = exactly(problemDocument, said, what);
  assert.equal(problem.status, status, what);
  const expected = kinds.length > 0 ? kinds.flatMap(({ errors }) => errors) : ofNothing;
  assert.ok(expected.includes(problem.code), `${what}: the document has ${expected.join(', ')}`);
}

/** The problem that a line of text tells. */
function inWords(text: string, what: string): Problem {
  const [, title, code, detail = ''] = /^(.*?) \((\w+)\): (.*)\n$/s.exec(text) ?? [];
  const problem = problemOf(code as ErrorCode, detail);
  assert.equal(title, problem.title, what);
  return problem;
}

type Responses = Record<number, { content?: Record<string, { schema: z.core.JSONSchema.JSONSchema }> }>;

function assertOpen(path: keyof typeof openPaths, { status, type, body, isPart }: Answer, what: string) {
  const response = (openPaths[path].get.responses as Responses)[status];
  assert.ok(response, what);
  if (response.content === undefined) return;
  const described = response.content[type];
  assert.ok(described, what);
  if (type !== 'application/json' || body === null || isPart) return;
  exactly(z.fromJSONSchema(described.schema), json(String(body), what), what);
}

function assertAnswer(kinds: Operation[], { status, type, body, isPart }: Answer, what: string): void {
  const [operation] = kinds.filter(
    ({ statuses, media }) => statuses.includes(status) && (status === 304 || media.includes(type)),
  );
  assert.ok(operation, what);
  const { name, answer } = operation;
  if (body === null) return;
  if (type === 'application/json' && !isPart) {
    const document = exactly(answer, json(String(body), what), what);
    if (answer === jobDocument) assertResult(document as Job, what);
  }
  if (type === 'application/x-ndjson')
    for (const line of piecesOf(body, '\n', isPart)) exactly(answer, json(line, what), what);
  if (type === 'text/event-stream')
    for (const event of piecesOf(body, '\n\n', isPart)) exactly(eventsOf(name), eventIn(event, what), what);
}

/** What a job came to is as its type has it. */
function assertResult({ type, state, result }: Job, what: string): void {
  if (state !== 'succeeded' || result === null || !isJobType(type)) return;
  const definition: JobDefinition = jobs[type];
  exactly(definition.result, result, what);
}

/** The whole lines or events of a stream, which ends with one unless it was cut off. */
function piecesOf(body: Buffer, end: string, isPart: boolean): string[] {
  const pieces = String(body).split(end);
  const rest = pieces.pop();
  assert.ok(isPart || rest === '', `the stream ends with ${rest}`);
  return pieces;
}

const [record, notice] = containerLog.answer.options;
const [line, logEnd] = jobLog.answer.options;
const timed = z.templateLiteral([z.iso.datetime(), ' ', z.string()]);
/**
 * To the document events are text, too: these are made of what it says of the same stream as JSON
 * lines, as docs/streams.md has it.
 */
const events: Record<string, z.ZodType> = {
  'container.log': z.union([
    z.strictObject({
      id: record.shape.cursor,
      event: z.literal('part').exactOptional(),
      data: record.shape.message,
    }),
    notice,
  ]),
  'job.log': z.union([
    z.strictObject({ id: line.shape.id.exactOptional(), data: timed }),
    logEnd.pick({ event: true, reason: true }),
  ]),
};

function eventsOf(name: string): z.ZodType {
  const known = events[name];
  assert.ok(known, `${name} has no events`);
  return known;
}

/** The fields of an event; of one that tells something about the stream what its data holds. */
function eventIn(text: string, what: string): object {
  const fields: Record<string, string> = {};
  for (const one of text.split('\n')) {
    const [, name, value] = /^(id|event|data): (.*)$/s.exec(one) ?? [];
    assert.ok(name !== undefined && value !== undefined, `${what}: ${one}`);
    fields[name] = name in fields ? `${fields[name]}\n${value}` : value;
  }
  const { event, data = '' } = fields;
  return event === undefined || event === 'part' ? fields : { event, ...(json(data, what) as object) };
}

function json(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`${what}: this is no JSON: ${text.slice(0, 500)}`);
  }
}

/** The value as a schema has it, which must be all of the value. */
export function exactly<T>(schema: { parse(value: unknown): T }, value: unknown, what: string): T {
  try {
    const parsed = schema.parse(value);
    assert.deepEqual(parsed, value);
    return parsed;
  } catch (error) {
    throw new Error(`${what}: ${JSON.stringify(value).slice(0, 500)}: ${(error as Error).message}`);
  }
}
