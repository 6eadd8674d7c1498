import { refTo } from './schemas.ts';

const json = (schema: object) => ({ 'application/json': { schema } });
const asText = (...types: string[]) =>
  Object.fromEntries(types.map((type) => [type, { schema: { type: 'string' } }]));
const status = (value: string, more: object = {}) =>
  json({ type: 'object', properties: { status: { const: value }, ...more }, required: ['status'] });

/** Paths that need no token. */
export const openPaths = {
  '/healthz': open('healthz', 'Reports that the process is running', {
    200: { description: 'The process is running', content: status('ok', { version: { type: 'string' } }) },
  }),
  '/readyz': open('readyz', 'Reports whether the queue can be reached', {
    200: { description: 'The queue can be reached', content: status('ready') },
    503: refTo('responses', 'queue_unavailable'),
  }),
  '/metrics': open('metrics', 'Shows the metrics of the process', {
    200: {
      description: 'The metrics, in the format that Accept prefers',
      content: asText('text/plain', 'application/openmetrics-text'),
    },
  }),
  '/openapi.json': open('openapi', 'Shows this document', {
    200: {
      description: 'The document',
      headers: { ETag: refTo('headers', 'ETag') },
      content: json({ type: 'object' }),
    },
    304: { description: 'Not changed since the entity tag of If-None-Match' },
  }),
};

export const isOpenPath = (path: string) => Object.hasOwn(openPaths, path);

function open(operationId: string, summary: string, responses: object) {
  return { get: { operationId, tags: ['api'], summary, security: [], responses } };
}
