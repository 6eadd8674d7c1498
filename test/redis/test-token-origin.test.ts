import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openQueueApi, type QueueApi } from '../support/test-api.ts';

let opened: QueueApi;
let api: QueueApi['api'];
let port: string;
beforeAll(async () => {
  opened = await openQueueApi();
  ({ api } = opened);
  ({ port } = new URL(api.url));
});
afterAll(() => opened.close());

/** The status and code of an answer. */
async function ask(headers: Record<string, string>, path = '/token/__test__/jobs', method = 'GET') {
  const asked = request(`${api.url}${path}`, { method, headers, setHost: headers['Host'] === undefined });
  asked.end();
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of answer) text += chunk;
  return [answer.statusCode, JSON.parse(text || '{}').code];
}

test.each([
  'localhost',
  'LocalHost:1',
  '127.0.0.1',
  '127.0.0.1:2223',
  '[::1]',
  '[::1]:2223',
])('the test token is taken by the name %s', async (host) => {
  expect(await ask({ Host: host })).toEqual([200, undefined]);
});

test.each([
  'evil.example',
  'evil.example:2223',
  'localhost.evil.example',
  '127.0.0.1.evil.example',
  '10.0.0.1:2223',
  'localhost@evil.example',
  '',
])('the test token is not taken by the name %j, to which a name server may have led a browser (security L2)', async (host) => {
  expect(await ask({ Host: host })).toEqual([403, 'token_forbids']);
  const change = '/token/__test__/container?u=0&d=1&t=app&r=1&i=1';
  expect(await ask({ Host: host }, change, 'PUT')).toEqual([403, 'token_forbids']);
});

test.each([
  { Origin: 'http://evil.example' },
  { Origin: 'http://localhost:4343' },
  { Origin: 'null' },
  { 'Sec-Fetch-Site': 'cross-site' },
  { 'Sec-Fetch-Site': 'same-site' },
])('the test token is not accepted from a page of another origin: %j (security L2)', async (headers) => {
  expect(await ask({ ...headers, Host: `localhost:${port}` })).toEqual([403, 'token_forbids']);
});

test.each([
  {},
  { 'Sec-Fetch-Site': 'none' },
  { 'Sec-Fetch-Site': 'same-origin' },
])('the test token is taken from a page of our own: %j', async (headers) => {
  const origin = { Origin: `http://localhost:${port}`, Host: `localhost:${port}` };
  expect(await ask({ ...headers, ...origin })).toEqual([200, undefined]);
});

test('a token that is not valid is told so, by whatever name it comes', async () => {
  expect(await ask({ Host: 'evil.example' }, '/token/nothing/jobs')).toEqual([401, 'token_invalid']);
});
