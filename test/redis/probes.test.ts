import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import pino from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { ask } from '../support/ask.ts';
import { openQueueApi } from '../support/test-api.ts';
import { until } from '../support/until.ts';

test('the paths of the probes take GET and HEAD without a token, and nothing else', async () => {
  const told: string[] = [];
  const log = pino({ level: 'error' }, { write: (line: string) => void told.push(line) });
  const { api, close } = await openQueueApi(log);
  onTestFinished(close);
  for (const path of ['healthz', 'readyz', 'openapi.json', 'metrics']) {
    for (const method of ['GET', 'HEAD'])
      expect((await fetch(`${api.url}/${path}`, { method })).status, method).toBe(200);
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
      const { status, headers, body } = await ask(`${api.url}/${path}`, { method });
      expect([status, headers.get('allow')], `${method} ${path}`).toEqual([405, 'GET']);
      expect(JSON.parse(String(body))).toMatchObject({ code: 'method_not_allowed' });
    }
  }
  expect(told).toEqual([]);
});

test('a client that vanishes without a word is noticed: its connection is kept alive by probes', async () => {
  const { api, close } = await openQueueApi();
  onTestFinished(close);
  const { port, hostname } = new URL(api.url);
  const socket = connect(Number(port), hostname);
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect');
  // 02: the timer of probes (proc_net_tcp in the kernel's documentation).
  const ours = new RegExp(`:${Number(port).toString(16).toUpperCase().padStart(4, '0')} \\S+ 01 \\S+ 02:`);
  await until('the timer runs', async () => ours.test(await readFile('/proc/net/tcp', 'utf8')));
});
