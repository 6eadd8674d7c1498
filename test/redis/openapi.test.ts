import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type Document,
  operationsOf,
  type Parameter,
  resolved,
  type Schema,
} from '../../scripts/reference/document.ts';
import { createClient, newId } from '../support/client.ts';
import { openQueueApi, type QueueApi } from '../support/test-api.ts';

let opened: QueueApi;
beforeAll(async () => {
  opened = await openQueueApi();
  await opened.queue.hold('web');
});
afterAll(() => opened.close());

test('anybody may fetch the document, and who has it already is told that it is the same', async () => {
  const url = `${opened.api.url}/openapi.json`;
  const answer = await fetch(url);
  expect(answer.status).toBe(200);
  expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
  const document = (await answer.json()) as Document;
  const committed: Document = JSON.parse(readFileSync('docs/openapi.json', 'utf8'));
  // The api of the tests has another version.
  expect({ ...document, info: null }).toEqual({ ...committed, info: null });
  const etag = String(answer.headers.get('etag'));
  for (const known of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
    const again = await fetch(url, { headers: { 'If-None-Match': known } });
    expect([again.status, again.headers.get('etag'), await again.text()]).toEqual([304, etag, '']);
  }
  expect((await fetch(url, { headers: { 'If-None-Match': '"x"' } })).status).toBe(200);
});

const document: Document = JSON.parse(readFileSync('docs/openapi.json', 'utf8'));
const exampleOf = ({ examples, $ref }: Schema): unknown =>
  $ref ? exampleOf(resolved<Schema>(document, { $ref })) : examples?.[0];

/** The request that the examples of an operation make. */
function exampleRequest(path: string, operation: ReturnType<typeof operationsOf>[number]['operation']) {
  const parameters = (operation.parameters ?? []).map((one) => resolved<Parameter>(document, one));
  const given = parameters.flatMap(({ name, in: place, schema }) => {
    const example = exampleOf(schema);
    return example === undefined ? [] : [{ name, place, value: String(example) }];
  });
  const at = (where: string) =>
    given.filter(({ place }) => place === where).map(({ name, value }) => [name, value]);
  const query: Record<string, string> = Object.fromEntries(at('query'));
  return {
    path: at('path')
      .reduce((all, [name, value]) => all.replace(`{${name}}`, String(value)), path)
      .slice(1),
    query: 'i' in query ? { ...query, i: newId() } : query, // An id names one request for good.
    body: exampleOf(operation.requestBody?.content['application/json']?.schema ?? {}),
  };
}

test.each(
  operationsOf(document).map((one) => [one.operation.operationId, one] as const),
)('the example of %s is a request that the api takes, with its token in the path and in a header', async (name, {
  path,
  method,
  operation,
}) => {
  const { api } = opened;
  const isOpen = operation.security?.length === 0;
  const ways = [
    { client: createClient(isOpen ? api.url : `${api.url}/token/__test__`), headers: {} },
    { client: createClient(api.url), headers: isOpen ? {} : { Authorization: 'Bearer __test__' } },
  ];
  for (const { client, headers } of ways) {
    const { path: place, query, body } = exampleRequest(path, operation);
    // The client compares the answer with the document.
    const answer = await client.send(method, place, query, { ...(body ? { body } : {}), headers });
    if (name === 'host.remove') expect(answer.body.detail).toContain('is live');
    else expect([200, 202, 404, 503], JSON.stringify(answer.body)).toContain(answer.status);
    expect(answer.body.code).not.toBe('not_found');
  }
});

test('every change has an example, and what it needs is in it', () => {
  const changes = operationsOf(document).filter(({ operation }) => '202' in operation.responses);
  expect(changes.length).toBeGreaterThan(10);
  for (const { path, operation } of changes) {
    const { query } = exampleRequest(path, operation);
    for (const [, needed = ''] of operation.description?.matchAll(/`(\w+)`/g) ?? [])
      expect(Object.keys(query), operation.operationId).toContain(needed);
  }
});
