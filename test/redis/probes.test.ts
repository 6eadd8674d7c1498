import pino from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { openQueueApi } from '../support/test-api.ts';

test('the paths of the probes take GET and HEAD without a token, and nothing else', async () => {
  const told: string[] = [];
  const log = pino({ level: 'error' }, { write: (line: string) => void told.push(line) });
  const { api, close } = await openQueueApi(log);
  onTestFinished(close);
  for (const path of ['healthz', 'readyz', 'openapi.json', 'metrics']) {
    for (const method of ['GET', 'HEAD'])
      expect((await fetch(`${api.url}/${path}`, { method })).status, method).toBe(200);
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
      expect((await fetch(`${api.url}/${path}`, { method })).status, `${method} ${path}`).toBe(404);
  }
  expect(told).toEqual([]);
});
