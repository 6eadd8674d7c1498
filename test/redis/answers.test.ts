import pino from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RunningApi } from '../../src/api/start-api.ts';
import { type FleetQueue, openFleetQueue } from '../support/fleet-queue.ts';
import { openTestRedis, type TestRedis } from '../support/redis.ts';
import { openTestApi } from '../support/test-api.ts';

let redis: TestRedis;
let queue: FleetQueue;
let api: RunningApi;
beforeAll(async () => {
  redis = await openTestRedis();
  queue = await openFleetQueue(redis.url);
  api = await openTestApi(queue.front, pino({ level: 'silent' }));
});
afterAll(async () => {
  await api.close(0);
  await queue.close();
  await redis.close();
});

test.each([
  ['/token/__test__/jobs', 200],
  ['/readyz', 200],
  ['/nothing', 401],
  ['/token/__test__/nothing', 404],
  ['/token/__test__/job/1?wait=x', 400],
])('no browser takes the answer to %s for a page, wherever it comes from', async (path, status) => {
  const answer = await fetch(`${api.url}${path}`);
  expect(answer.status).toBe(status);
  await answer.text();
  expect(Object.fromEntries(answer.headers)).toMatchObject({
    'x-content-type-options': 'nosniff',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'; sandbox",
    'referrer-policy': 'no-referrer',
    'cache-control': 'no-store',
  });
});
