import { once } from 'node:events';
import { request } from 'node:http';
import pino from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openQueueApi, type QueueApi } from '../support/test-api.ts';

const lines: Record<string, unknown>[] = [];
let opened: QueueApi;
beforeAll(async () => {
  opened = await openQueueApi(
    pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line)) }),
  );
  await opened.queue.hold('web');
});
afterAll(() => opened.close());

const trace = '0af7651916cd43dd8448eb211c80319c';
const traceparent = `00-${trace}-b7ad6b7169203331-01`;
let id = 0xa000;

/** The line of a request to stop a gear, and what its job's record has of its origin. */
async function sent(headers: Record<string, string>) {
  const i = (++id).toString(16);
  const url = `${opened.api.url}/token/__test__/container/stopped?u=ann&r=web&d=1&i=${i}`;
  const asked = request(url, { method: 'PUT', headers });
  asked.end();
  const [answer] = await once(asked, 'response');
  expect(answer.resume().statusCode).toBe(202);
  const whole = i.padStart(32, '0');
  await expect.poll(() => lines.find((line) => line['id'] === whole)).toBeDefined();
  const record = await opened.queue.worker.records.read(whole);
  return { line: lines.find((one) => one['id'] === whole), origin: record?.origin };
}

test.each([
  ['X-Request-Id', { 'X-Request-Id': 'req-7.a:b' }, 'req-7.a:b'],
  ['traceparent', { traceparent }, trace],
  ['X-Request-Id rather than traceparent', { 'X-Request-Id': 'req-8', traceparent }, 'req-8'],
  ['a traceparent of a later version', { traceparent: `cc-${traceparent.slice(3)}-more` }, trace],
])("the client's %s is in the line of its request, and goes with the job", async (_, headers, expected) => {
  const { line, origin } = await sent(headers);
  expect(line).toMatchObject({ trace: expected, user: 'ann', peer: '127.0.0.1', token: expect.any(String) });
  expect(origin).toEqual({ trace: expected, peer: '127.0.0.1' });
});

test.each([
  ['a space', { 'X-Request-Id': 'a b' }],
  ['65 characters', { 'X-Request-Id': 'a'.repeat(65) }],
  ['a quote', { 'X-Request-Id': '"audit":true' }],
  ['no trace', { traceparent: `00-${'0'.repeat(32)}-b7ad6b7169203331-01` }],
  ['no parent', { traceparent: `00-${trace}-${'0'.repeat(16)}-01` }],
  ['a version that cannot be', { traceparent: `ff-${traceparent.slice(3)}` }],
])('a header with %s is as none at all', async (_, headers) => {
  const { line, origin } = await sent(headers);
  expect(line).not.toHaveProperty('trace');
  expect(origin).toEqual({ peer: '127.0.0.1' });
});
