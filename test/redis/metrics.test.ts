import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  accepted,
  brokenStreams,
  openStreams,
  replayed,
  requestSeconds,
  requests,
  streamBytes,
  streamOpenings,
} from '../../src/api/metrics.ts';
import { operations } from '../../src/api/openapi/operations.ts';
import { errorCodes, problemOf } from '../../src/jobs/errors.ts';
import { jobs } from '../../src/jobs/registry.ts';
import { streams } from '../../src/jobs/rpc/streams.ts';
import { sendMetrics } from '../../src/lib/metrics/exposition.ts';
import { promtool } from '../support/promtool.ts';
import { openQueueApi, type QueueApi } from '../support/test-api.ts';

let opened: QueueApi;
beforeAll(async () => {
  opened = await openQueueApi();
});
afterAll(() => opened.close());

const scrape = async () => (await fetch(`${opened.api.url}/metrics`)).text();

/** The value of one line; 0 where there is none. */
const readValue = (text: string, line: string) =>
  Number(
    text
      .split('\n')
      .find((one) => one.startsWith(`${line} `))
      ?.split(' ')[1] ?? 0,
  );

/** How much a line grows meanwhile. */
async function growth(lines: string[], meanwhile: () => Promise<unknown>): Promise<number[]> {
  const before = await scrape();
  await meanwhile();
  const after = await scrape();
  return lines.map((line) => readValue(after, line) - readValue(before, line));
}

const send = (method: string, path: string, query: Record<string, string>, body?: object) =>
  fetch(`${opened.api.url}/token/__test__/${path}?${new URLSearchParams(query)}`, {
    method,
    ...(body && { body: JSON.stringify(body) }),
  });

const secretive = {
  ...{ u: 'user-that-nobody-sees', r: 'gear-that-nobody-sees', t: 'image-that-nobody-sees', d: '1' },
  i: 'abcdef0123456789',
};

test('what promtool says of metrics is nothing', async () => {
  await send('PUT', 'container', secretive, {});
  await fetch(`${opened.api.url}/hosts`);
  expect(await promtool(['check', 'metrics'], await scrape())).toEqual({ status: 0, said: '' });
});

test('promtool accepts the alert rules, and they alert where something is wrong and nowhere else', async () => {
  expect(await promtool(['check', 'rules', 'contrib/metrics/alerts.yml'])).toMatchObject({ status: 0 });
  const { status, said } = await promtool(['test', 'rules', 'contrib/metrics/alerts.test.yml']);
  expect({ status, said: said.trim().split('\n').at(-1)?.trim() }).toEqual({ status: 0, said: 'SUCCESS' });
});

test('a request that becomes a job is counted as accepted, and as replayed when it is sent again', async () => {
  const query = { ...secretive, i: 'abcdef01' };
  const lines = [
    'geard_jobs_accepted_total{type="container.install"}',
    'geard_jobs_replayed_total{type="container.install"}',
    'geard_http_requests_total{action="container.install",status="202"}',
    'geard_http_request_duration_seconds_count{action="container.install"}',
  ];
  const sent = async () => expect((await send('PUT', 'container', query, {})).status).toBe(202);
  expect(await growth(lines, sent)).toEqual([1, 0, 1, 1]);
  expect(await growth(lines, sent)).toEqual([0, 1, 1, 1]);
});

test('a problem is counted by its code, and a request without a valid token under no action', async () => {
  const lines = [
    'geard_problems_total{code="token_invalid"}',
    'geard_http_requests_total{action="other",status="401"}',
  ];
  expect(await growth(lines, () => fetch(`${opened.api.url}/jobs`))).toEqual([1, 1]);
});

test('a request that waits is shown while it does, and does not count in the times of answers', async () => {
  const { queue } = opened;
  await queue.hold('waited');
  const id = await queue.accepted('waited');
  const read = () => send('GET', `job/${id}`, { u: '0', wait: '20' });
  const times = 'geard_http_request_duration_seconds_count{action="job.read"}';
  const meanwhile = async () => {
    const waiting = read();
    await expect.poll(async () => readValue(await scrape(), 'geard_http_waits_in_progress')).toBe(1);
    expect(await queue.execute(id)).toBe('succeeded');
    expect((await waiting).status).toBe(200);
    await expect.poll(async () => readValue(await scrape(), 'geard_http_waits_in_progress')).toBe(0);
  };
  const whole = 'geard_http_requests_total{action="job.read",status="200"}';
  expect(await growth([times, whole], meanwhile)).toEqual([0, 1]);
});

test('a stream is shown while it is open, and its bytes are counted', async () => {
  const { queue } = opened;
  await queue.hold('followed');
  const id = await queue.accepted('followed');
  const open = 'geard_streams_open{stream="job.log"}';
  let bytes = 0;
  const meanwhile = async () => {
    const log = await send('GET', `job/${id}/log`, { u: '0' });
    expect(readValue(await scrape(), open)).toBe(1);
    await queue.execute(id);
    bytes = (await log.text()).length;
    await expect.poll(async () => readValue(await scrape(), open)).toBe(0);
  };
  const [counted] = await growth(['geard_stream_bytes_total{stream="job.log"}'], meanwhile);
  expect(counted).toBe(bytes);
});

test('a client that leaves a stream is told from a source that breaks', async () => {
  const { queue } = opened;
  await queue.hold('left');
  const id = await queue.accepted('left');
  const left = 'geard_streams_broken_total{stream="job.log",reason="client"}';
  const before = readValue(await scrape(), left);
  const leaving = new AbortController();
  await fetch(`${opened.api.url}/token/__test__/job/${id}/log?u=0`, { signal: leaving.signal });
  leaving.abort();
  await expect.poll(async () => readValue(await scrape(), left)).toBe(before + 1);
});

test('the hosts of the fleet are counted by their states, and Redis is up', async () => {
  const text = await scrape();
  expect(readValue(text, 'geard_hosts{state="live"}')).toBe(1);
  expect(readValue(text, 'geard_hosts{state="gone"}')).toBe(0);
  expect(readValue(text, 'geard_redis_up')).toBe(1);
});

test('no name of a gear, a user, an image or a host, no id and no token is in the metrics', async () => {
  await send('PUT', 'container', { ...secretive, i: 'abcdef02' }, {});
  await send('GET', 'container', secretive);
  await send('GET', 'made-up-path', secretive);
  const text = await scrape();
  expect(text).toContain('geard_jobs_accepted_total');
  for (const name of ['that-nobody-sees', 'abcdef', 'h1', '__test__', 'made-up-path', 'waited', 'followed'])
    expect(text.replace(/# .*/g, ''), name).not.toContain(`${name}`);
});

test('a scrape of an api that has given every answer to every kind of request takes up to 5 ms of CPU and 64 KB', async () => {
  for (const { name: action, statuses, errors } of operations()) {
    const refusals = errors.map((code) => problemOf(code, '').status);
    for (const status of new Set([...statuses, ...refusals]))
      requests.add({ action, status: String(status) });
    requestSeconds.observe({ action }, 0.1);
  }
  for (const type of Object.keys(jobs)) for (const counter of [accepted, replayed]) counter.add({ type });
  for (const stream of ['job.log', ...Object.keys(streams)]) {
    for (const counter of [openStreams, streamBytes]) counter.add({ stream });
    for (const transport of ['relay', 'direct']) streamOpenings.add({ stream, transport });
    for (const reason of ['source', 'token', 'client']) brokenStreams.add({ stream, reason });
  }
  for (const code of errorCodes) expect(await scrape()).toContain(`"${code}"`);
  // Without a connection: a client in this process would take more than the scrape.
  const request = new IncomingMessage(new Socket());
  const rounds = 50;
  const before = process.cpuUsage();
  for (let i = 0; i < rounds; i++) await sendMetrics(request, new ServerResponse(request));
  const { user, system } = process.cpuUsage(before);
  expect((user + system) / 1000 / rounds).toBeLessThan(5);
  expect(Buffer.byteLength(await scrape())).toBeLessThan(64 * 1024);
});
