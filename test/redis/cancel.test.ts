import { afterAll, beforeAll, expect, test } from 'vitest';
import { ask } from '../support/ask.ts';
import { openQueueApi, type QueueApi } from '../support/test-api.ts';

let opened: QueueApi;
beforeAll(async () => {
  opened = await openQueueApi();
  await opened.queue.hold('web');
});
afterAll(() => opened.close());

const cancel = (id: string, headers: Record<string, string> = {}) =>
  ask(`${opened.api.url}/token/__test__/job/${id}`, { method: 'DELETE', headers });

test('the cancellation of a queued job gets the cancelled job, and names no preference that was not sent', async () => {
  const answer = await cancel(await opened.queue.accepted('web'));
  expect(answer.status).toBe(200);
  expect(JSON.parse(String(answer.body))).toMatchObject({ state: 'cancelled' });
  expect(answer.headers.get('Preference-Applied')).toBeNull();
  expect(answer.headers.get('Retry-After')).toBeNull();
});

test('a preference that was sent is applied and named', async () => {
  const answer = await cancel(await opened.queue.accepted('web'), { Prefer: 'wait=5' });
  expect(answer.status).toBe(200);
  expect(answer.headers.get('Preference-Applied')).toBe('wait=5');
});

test('a request id in a path or a list is refused by its own name, not by that of a parameter', async () => {
  for (const path of ['job/xyz', 'jobs?after=xyz']) {
    const answer = await ask(`${opened.api.url}/token/__test__/${path}`);
    expect(answer.status).toBe(400);
    expect(JSON.parse(String(answer.body))).toMatchObject({
      detail: 'a request id must be 1 to 32 hex digits, such as 2a',
    });
  }
});
