import type { z } from 'zod';
import {
  emptyBody,
  type HeaderName,
  type JobDefinition,
  neededBy,
  type ReadDefinition,
} from '../../jobs/define.ts';
import { jobDocument } from '../../jobs/job.ts';
import { aliases, type JobType, jobs, type ReadName, reads } from '../../jobs/registry.ts';

/**
 * What the document says of a kind of request, from its definition. Nothing is left to a default.
 */
export interface Operation extends Omit<ReadDefinition, 'select' | 'wants' | 'changes' | 'ofHost'> {
  name: string;
  /** What `t` must be, where it takes one. */
  t?: z.ZodType;
  /** The `t` by which it is told from others of the same path. */
  select?: string;
  body?: z.ZodType;
  /** What `result` of the job that it answers with holds. */
  result?: z.ZodType;
  media: readonly string[];
  headers: readonly HeaderName[];
  statuses: readonly number[];
  /** Another way to write a request, which is kept for old clients. */
  deprecated?: true;
}

/** The codes with which every request may fail. */
export const ofAll = [
  'invalid_request',
  'token_invalid',
  'token_forbids',
  'limit_reached',
  'internal',
  'queue_unavailable',
] as const;

/**
 * The codes with which every request may fail that becomes a job, or the job for a client that
 * waits for it.
 */
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
    ...{ name, method, path, summary, action: name, needs },
    takes: [...optional.filter((one) => !needs.includes(one)), 'expires', 'd'],
    ...(t && { t }),
    headers: ['Idempotency-Key', 'Prefer', ...(ifNoneMatch ? (['If-None-Match'] as const) : [])],
    ...(body !== emptyBody && { body }),
    ...{ statuses: [200, 202], answer: jobDocument, result, media: ['application/json'] },
    errors: [...ofAll, ...ofChange, ...errors],
  };
}

const readOperation = (name: ReadName, { select, errors, ...rest }: ReadDefinition): Operation => ({
  ...{ headers: [], statuses: [200], media: ['application/json'] },
  ...{ ...rest, name, ...(select && { select: select.t }) },
  errors: [...ofAll, ...errors],
});

/** Everything that a token is needed for. */
export const operations = (): Operation[] => [
  ...(Object.keys(jobs) as JobType[]).map(changeOperation),
  ...(Object.keys(reads) as ReadName[]).map((name) => readOperation(name, reads[name])),
  ...aliases.map(([name, definition]) => ({ ...readOperation(name, definition), deprecated: true as const })),
];
