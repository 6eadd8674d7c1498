import { refName } from '../../jobs/fields/identifier.ts';
import { parameters } from '../../jobs/parameters.ts';
import { schemaOf } from './schemas.ts';

/** All parameters of requests except `t`, which differs between operations. */
export function requestParameters(): Record<string, object> {
  const { t: _, ...query } = parameters.shape;
  const described = Object.entries(query).map(([name, schema]) => {
    const { description, ...json } = schemaOf(schema);
    return [name, { name, in: 'query', description, schema: json }];
  });
  return { ...Object.fromEntries(described), ...inPath, ...inHeader };
}

const id = { type: 'string', pattern: '^[0-9a-fA-F]{1,32}$', examples: ['2a'] };

const inPath = {
  'path.id': { name: 'id', in: 'path', required: true, description: 'The id of the job', schema: id },
  'path.ref': {
    name: 'ref',
    in: 'path',
    required: true,
    description: 'A branch, a tag or a hash; slashes may be written as / or %2F',
    schema: schemaOf(refName.meta({ examples: ['main'] })),
  },
};

const header = (name: string, description: string, schema: object) => ({
  [name]: { name, in: 'header', description, schema: { type: 'string', ...schema } },
});

const inHeader = {
  ...header('Idempotency-Key', 'May stand in for `i`: the request id is the first half of its SHA-256', {
    pattern: '^[!-~]([ -~]*[!-~])?$',
    maxLength: 255,
  }),
  ...header('Prefer', 'Waits at most this many seconds for the job to finish (RFC 7240)', {
    pattern: '^wait=([1-5]?[0-9]|60)$',
    examples: ['wait=60'],
  }),
  ...header(
    'If-None-Match',
    '`*`: only if the gear does not exist. Of an archive: entity tags that the client has',
    {},
  ),
  ...header('Last-Event-ID', 'The id of the last line the client has; the stream continues after it', {}),
};

const told = (name: string, description: string, schema: object = {}) => ({
  [name]: { description, schema: { type: 'string', ...schema } },
});

export const responseHeaders = {
  ...told('Location', 'The path of the job, under the same token'),
  ...told('Retry-After', 'Seconds to wait before asking again', { type: 'integer' }),
  ...told('Idempotent-Replayed', 'The request was sent before; this is its job', { const: 'true' }),
  ...told('Preference-Applied', 'The preference that was applied', { pattern: '^wait=[0-9]+$' }),
  ...told('ETag', 'The entity tag'),
};
