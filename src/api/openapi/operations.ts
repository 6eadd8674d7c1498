import type { z } from 'zod';
import { emptyBody, type JobDefinition, neededBy, type ReadDefinition } from '../../jobs/define.ts';
import { jobDocument } from '../../jobs/job.ts';
import {
  aliases,
  type JobType,
  jobs,
  jobTypes,
  type ReadName,
  readNames,
  reads,
} from '../../jobs/registry.ts';

type Described = Omit<ReadDefinition, 'select' | 'wants' | 'changes' | 'ofHost'>;

/** One kind of request in the document, from its definition, with all defaults filled in. */
export interface Operation extends Required<Described> {
  name: string;
  /** The schema of `t`, if the request takes it. */
  t?: z.ZodType;
  /** The `t` that selects it among requests with the same path. */
  select?: string;
  body?: z.ZodType;
  /** The schema of `result` in the job that it answers with. */
  result?: z.ZodType;
  /** An alias of another request, kept for old clients. */
  deprecated?: true;
}

/** Error codes of every request. */
export const ofAll = [
  'invalid_request',
  'token_invalid',
  'token_forbids',
  'limit_reached',
  'internal',
  'queue_unavailable',
] as const;

/** Error codes of every request that becomes a job, and of the job if the client waits for it. */
const ofChange = [
  'host_not_found',
  'host_conflict',
  'body_too_large',
  'request_id_reused',
  'queue_full',
  'expired',
  'no_host',
  'host_unavailable',
] as const;

function changeOperation(name: JobType): Operation {
  const definition: JobDefinition = jobs[name];
  const { method, path, summary, t, body, on, ifNoneMatch, result, errors } = definition;
  const needs = neededBy(definition);
  const optional = (['t', 'h'] as const).filter((one) => (one === 't' ? t : on !== 'host'));
  return {
    name,
    method,
    path,
    summary,
    action: name,
    needs,
    takes: [...optional.filter((one) => !needs.includes(one)), 'expires', 'd'],
    ...(t && { t }),
    headers: ['Idempotency-Key', 'Prefer', ...(ifNoneMatch ? (['If-None-Match'] as const) : [])],
    ...(body !== emptyBody && { body }),
    statuses: [200, 202],
    answer: jobDocument,
    result,
    media: ['application/json'],
    errors: [...ofAll, ...ofChange, ...errors],
  };
}

const readOperation = (name: ReadName, { select, errors, ...rest }: ReadDefinition): Operation => ({
  headers: [],
  statuses: [200],
  media: ['application/json'],
  ...rest,
  name,
  ...(select && { select: select.t }),
  errors: [...ofAll, ...errors],
});

/** All requests that need a token. */
export const operations = (): Operation[] => [
  ...jobTypes.map(changeOperation),
  ...readNames.map((name) => readOperation(name, reads[name])),
  ...aliases.map(([name, definition]) => ({ ...readOperation(name, definition), deprecated: true as const })),
];
