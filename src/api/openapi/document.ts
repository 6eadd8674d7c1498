import { testToken } from '../../token/claims.ts';
import { openPaths } from './open-paths.ts';
import { type Operation, operations } from './operations.ts';
import { requestParameters, responseHeaders } from './parameters.ts';
import { responsesOf } from './responses.ts';
import { componentSchemas, refTo, schemaName, schemaOf, schemaRef } from './schemas.ts';

const description =
  `A change becomes a job: the answer is 202 and the job, or, with \`Prefer: wait=N\`, its outcome. Parameters
come from the token, and from the query where the token leaves them open. A body is read as JSON whatever its Content-Type says;
names of its fields match without regard to case, and numbers may be written as strings. Answers may hold more fields than are
described here.`.replaceAll('\n', ' ');

const tags = {
  container: 'Gears: containers that systemd runs',
  repository: 'Bare git repositories, and archives of them',
  environment: 'Variables that gears share',
  job: 'Jobs: what changes have become',
  host: 'Hosts of the fleet',
  token: 'The token of the request',
  api: 'The api itself; needs no token',
};

/** The tags of requests whose names begin with something else. */
const tagged: Record<string, keyof typeof tags> = { content: 'repository', drift: 'host', whoami: 'token' };

/**
 * The OpenAPI 3.1 document of the HTTP surface, from the definitions by which requests are parsed
 * and answered.
 */
export function openApiDocument(version: string) {
  const all = operations();
  const responses: Record<string, object> = {};
  return {
    openapi: '3.1.1',
    info: { title: 'geard', version, description, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    servers: [
      { url: '/', description: 'The token in a header' },
      {
        url: '/token/{token}',
        description: 'The token in the path',
        variables: { token: { default: testToken, description: 'The test token needs --test-token' } },
      },
    ],
    security: [{ bearer: [] }, {}],
    tags: Object.entries(tags).map(([name, what]) => ({ name, description: what })),
    paths: { ...pathsOf(all, responses), ...openPaths },
    components: {
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } },
      parameters: requestParameters(),
      headers: responseHeaders,
      responses,
      schemas: componentSchemas(all),
    },
  };
}

/** The methods of each path. Responses that several have are collected, by their names. */
function pathsOf(all: Operation[], responses: Record<string, object>) {
  const paths: Record<string, Record<string, object>> = {};
  for (const operation of all) {
    for (const path of expand(operation.path)) {
      const methods = paths[path] ?? {};
      paths[path] = methods;
      const method = operation.method.toLowerCase();
      const sharing = all.filter((one) => one.method === operation.method && one.path === operation.path);
      methods[method] ??= describe(path.includes('{ref}') ? [operation] : sharing, path, responses);
    }
  }
  return paths;
}

/**
 * A path without its optional end, and with it. OpenAPI has no word for slashes in a parameter:
 * they come encoded.
 */
function expand(template: string): string[] {
  const [path = '', rest] = template.split(/\{\/(\w+)\*\}/);
  return rest === undefined ? [path] : [path, `${path}/{${rest}}`];
}

/** One operation, which several kinds of request share where only `t` tells them apart. */
function describe(sharing: Operation[], path: string, responses: Record<string, object>) {
  const [first] = sharing as [Operation, ...Operation[]];
  const { name, needs, body, deprecated, headers } = first;
  const takes = [...new Set(sharing.flatMap((one) => [...one.needs, ...one.takes]))];
  const actions = [...new Set(sharing.flatMap(({ action }) => action ?? []))];
  const needed = needs.map((one) => `\`${one}\``).join(', ');
  const suffix = path.includes('{ref}') ? '.ref' : deprecated ? '.put' : '';
  const [kind = ''] = name.split('.');
  return {
    operationId: `${name}${suffix}`,
    tags: [tagged[kind] ?? kind],
    summary: sharing.map(({ summary }) => summary).join('. '),
    ...(needed && { description: `Needs ${needed}, where the token does not fix them.` }),
    ...(deprecated && { deprecated }),
    ...(actions.length > 0 && { 'x-geard-actions': actions }),
    parameters: [
      ...[...path.matchAll(/\{(\w+)\}/g)].map(([, variable]) => refTo('parameters', `path.${variable}`)),
      ...takes.map((one) => (one === 't' ? typeParameter(sharing) : refTo('parameters', one))),
      ...headers.map((header) => refTo('parameters', header)),
    ],
    ...(body && {
      requestBody: { content: { 'application/json': { schema: schemaRef(schemaName(name, 'Body')) } } },
    }),
    responses: responsesOf(sharing, responses),
  };
}

function typeParameter(sharing: Operation[]): object {
  const [{ t }] = sharing as [Operation];
  const selected = sharing.map(({ select }) => select);
  const { description, ...schema } = t
    ? schemaOf(t)
    : { description: 'What to read', enum: selected, examples: selected };
  return { name: 't', in: 'query', description, schema };
}
