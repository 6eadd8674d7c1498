import { type ErrorCode, errorTable } from '../../jobs/errors.ts';
import type { Operation } from './operations.ts';
import { answerName, refTo, schemaRef } from './schemas.ts';

/** Named headers, as references. */
const headers = (...names: string[]) => ({
  headers: Object.fromEntries(names.map((name) => [name, refTo('headers', name)])),
});

const ofJob = ['Location', 'Idempotent-Replayed', 'Preference-Applied'];

/**
 * Returns the responses of requests by status. Adds responses that are problems to `problems`,
 * which all operations share.
 */
export function responsesOf(sharing: readonly Operation[], problems: Record<string, object>) {
  const responses: Record<number, object> = {};
  for (const status of sharing.flatMap(({ statuses }) => statuses))
    responses[status] = success(status, sharing);
  const codes = [...new Set(sharing.flatMap(({ errors }) => errors))];
  for (const status of codes.map((code) => errorTable[code].status)) {
    const those = codes.filter((code) => errorTable[code].status === status);
    const name = those.join('.');
    problems[name] = problem(status, those);
    responses[status] = refTo('responses', name);
  }
  return responses;
}

function success(status: number, sharing: readonly Operation[]) {
  if (status === 304) return { description: 'The client has it already', ...headers('ETag') };
  const content = Object.assign({}, ...sharing.map(contentOf));
  const has = (one: number) => sharing.some(({ statuses }) => statuses.includes(one));
  if (status === 202)
    return { description: 'The job has not ended yet', content, ...headers(...ofJob, 'Retry-After') };
  if (has(202)) return { description: 'The job has ended', content, ...headers(...ofJob) };
  return { description: 'The answer', content, ...(has(304) && headers('ETag')) };
}

function contentOf(operation: Operation) {
  const name = answerName(operation);
  const schemaFor = (type: string) => {
    if (name !== null && type.includes('json')) return schemaRef(name);
    return type.startsWith('text/') ? { type: 'string' } : {};
  };
  return Object.fromEntries(operation.media.map((type) => [type, { schema: schemaFor(type) }]));
}

function problem(status: number, codes: readonly ErrorCode[]) {
  const schema = { allOf: [schemaRef('Problem'), { properties: { code: { enum: codes } } }] };
  return {
    description: codes.map((code) => `${errorTable[code].title} (\`${code}\`)`).join('; '),
    ...((status === 429 || status === 503) && headers('Retry-After')),
    content: { 'application/problem+json': { schema }, 'text/plain': { schema: { type: 'string' } } },
  };
}
