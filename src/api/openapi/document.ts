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
  job: 'Jobs: every accepted change is one',
  host: 'Hosts of the fleet',
  token: 'The token of the request',
  api: 'The api itself; needs no token',
};

/** Tags of requests whose names begin with a different word. */
const tagged: Record<string, keyof typeof tags> = { content: 'repository', drift: 'host', whoami: 'token' };

/**
 * Creates the OpenAPI 3.1 document of the HTTP API. It comes from the definitions by which the api
 * parses and answers requests.
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

/** Describes the methods of each path. Collects shared responses in `responses`, by name. */
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
 * Returns a path without its optional end, and with it. OpenAPI cannot describe slashes in a
 * parameter: clients encode them.
 */
function expand(template: string): string[] {
  const [path = '', rest] = template.split(/\{\/(\w+)\*\}/);
  return rest === undefined ? [path] : [path, `${path}/{${rest}}`];
}

/** Describes one operation. Several kinds of request share it if they differ only in `t`. */
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
    ...(needed && { description: `Needs ${needed}, unless the token fixes them.` }),
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
