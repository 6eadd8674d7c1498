import { parse } from 'node:querystring';
import { z } from 'zod';
import { checked } from './checked.ts';
import { Failure } from './errors.ts';
import { hostName, resourceName, userName } from './fields/identifier.ts';
import { parseRequestId, type RequestId, requestIdOfKey } from './fields/request-id.ts';
import { wholeNumber } from './fields/schema.ts';
import { jobStates } from './job.ts';
import { archiveFormats, maxFollow, maxLines } from './rpc/streams.ts';

/**
 * Maximum number of seconds that a client may wait for a job to finish. The pattern of Prefer in
 * the OpenAPI document and the client repeat it.
 */
export const maxWait = 60;

/** Maximum number of seconds that a job may wait for its host. */
const maxExpires = 30 * 24 * 60 * 60;

/** All parameters of a query. The token's verification enforces `d`; here it is only parsed. */
export const parameters = z.strictObject({
  u: userName.optional().meta({ description: 'The user', examples: ['0'] }),
  d: z
    .string()
    .regex(/^\d{1,15}$/, 'd must be seconds since the epoch')
    .optional()
    .meta({ description: 'Expiry, seconds since the epoch', examples: ['1893456000'] }),
  i: z
    .string()
    .optional()
    .meta({ pattern: '^[0-9a-fA-F]{1,32}$', description: 'The request id, in hex digits', examples: ['2a'] }),
  r: resourceName.optional().meta({ description: 'The name of the resource', examples: ['web'] }),
  t: z.string().max(2048, 't must have at most 2048 characters').optional(),
  h: hostName.optional().meta({
    description:
      'The host. Without it: the host of the resource, the fleet chooses for a new one, lists cover all',
    examples: ['h1'],
  }),
  wait: wholeNumber(0, maxWait, 'wait').optional().describe('Seconds to wait for the job to finish'),
  limit: wholeNumber(1, 1000, 'limit').optional().describe('Maximum number of items on a page; default: 100'),
  after: z.string().max(64).optional().describe('The `next` of the previous page, or an item to start after'),
  lines: wholeNumber(0, maxLines, 'lines').optional().describe('Lines of history; default: 100'),
  for: wholeNumber(0, maxFollow, 'for').optional().describe('Seconds to follow the log; default: 30'),
  format: z
    .enum(archiveFormats, `format must be one of ${archiveFormats.join(', ')}`)
    .optional()
    .describe('The format of the archive; default: zip'),
  expires: wholeNumber(1, maxExpires, 'expires')
    .optional()
    .describe('How many seconds the job may wait for its host; default: one day'),
  state: z
    .enum(jobStates, `state must be one of ${jobStates.join(', ')}`)
    .optional()
    .describe('Only jobs in this state'),
});
export type Parameters = z.infer<typeof parameters>;
export type ParameterName = keyof Parameters;

/** Parses the parameters of a query, each given at most once. Throws `invalid_request`. */
export function parseParameters(query: string): Parameters {
  const given = parse(query, '&', '=', { maxKeys: 0 }); // By default it drops what follows 1,000 pairs.
  for (const name in given) {
    if (Array.isArray(given[name]))
      throw new Failure('invalid_request', `${shorten(name)} is given more than once`);
  }
  return checked(parameters, { ...given });
}

/** A required parameter. Throws `invalid_request` when it is missing. */
export function required<K extends 'u' | 'r' | 't' | 'h'>(all: Parameters, name: K): string {
  const value = all[name];
  if (value === undefined || value === '')
    throw new Failure('invalid_request', `${name} is missing; add it to the query`);
  return value;
}

/** The request id, from `i` or Idempotency-Key; if both are given, they must agree. */
export function requestIdOf({ i }: Parameters, key: string | undefined): RequestId {
  const fromQuery = i === undefined ? null : parseRequestId(i);
  const fromKey = key === undefined ? null : requestIdOfKey(key);
  if (fromQuery && fromKey && fromQuery !== fromKey) {
    throw new Failure('invalid_request', 'i and Idempotency-Key name different requests; send one of them');
  }
  const id = fromQuery ?? fromKey;
  if (!id)
    throw new Failure('invalid_request', 'i is missing: every change needs a request id, such as i=2a');
  return id;
}

const shorten = (text: string) => (text.length > 40 ? `${text.slice(0, 40)}…` : text);
