import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { createClient } from '../../src/client/client.ts';
import type { Outcome } from '../../src/jobs/job.ts';
import { openFaultyProxy } from '../support/faulty-proxy.ts';
import { openQueueApi, type QueueApi } from '../support/test-api.ts';
import { until } from '../support/until.ts';

let opened: QueueApi;
beforeAll(async () => {
  opened = await openQueueApi();
  await opened.queue.hold('web');
});
afterAll(() => opened.close());

const clientOf = (api: string, retries = 5) => createClient({ api, token: '__test__', user: '0', retries });

/** Does what the worker does with a job: begins it, says what it does, and ends it. */
async function work(id: string, outcome: Outcome, steps = ['pull', 'start']): Promise<void> {
  const { records } = opened.queue.worker;
  const record = await until('the job is recorded', () => records.read(id));
  await records.begin(record);
  for (const step of steps) await records.progress(id, { step, message: `it does ${step}` });
  await records.finish(record, outcome, true);
}

const installed = {
  unit: 'gear-web.service',
  container: null,
  ports: [],
  image: 'nginx:1.27',
  changed: true,
};
const install = { r: 'web', t: 'nginx:1.27' };

test('an install is followed to its result', async () => {
  const change = clientOf(opened.api.url).container.install({ ...install, body: { cpus: 0.5 } });
  const { id, state, type } = await change;
  expect([state, type]).toEqual(['queued', 'container.install']);
  const done = change.done();
  await work(id, { state: 'succeeded', result: installed });
  expect(await done).toMatchObject({ id, state: 'succeeded', result: installed });
});

test('a job that fails is its problem, and one that is cancelled says so', async () => {
  const geard = clientOf(opened.api.url);
  const fails = geard.container.install(install);
  const failure = expect(fails.done()).rejects.toMatchObject({
    ...{ name: 'GeardError', code: 'start_failed', problem: { detail: 'exit status 1' } },
    job: { state: 'failed', resource: 'web' },
  });
  await work((await fails).id, { state: 'failed', error: { code: 'start_failed', detail: 'exit status 1' } });
  await failure;
  const cancelled = geard.container.install(install);
  const cancellation = expect(cancelled.done()).rejects.toMatchObject({ code: 'cancelled' });
  expect(await geard.job.cancel({ id: (await cancelled).id })).toMatchObject({ state: 'cancelled' });
  await cancellation;
});

test('a change whose answer is lost has taken place once', async () => {
  const proxy = await openFaultyProxy(opened.api.url, (_, count) => (count <= 2 ? 0 : null));
  onTestFinished(() => proxy.close());
  const before = (await clientOf(opened.api.url).job.list({})).jobs.length;
  const { id } = await clientOf(proxy.url).container.restart({ r: 'web' });
  expect(proxy.seen).toEqual(Array(3).fill('PUT /container/restarted'));
  const { jobs } = await clientOf(opened.api.url).job.list({});
  expect([jobs.length, jobs[0]?.id]).toEqual([before + 1, id]);
  await work(id, { state: 'succeeded', result: null });
});

test('no line of a log is lost or comes twice, however often the connection is cut off', async () => {
  const proxy = await openFaultyProxy(opened.api.url, ({ url }) => (url?.includes('/log') ? 2 : null));
  onTestFinished(() => proxy.close());
  // What a connection has brought can be lost with it before it is read: not every one brings lines.
  const change = clientOf(proxy.url, 50).container.restart({ r: 'web' });
  const steps = Array.from({ length: 9 }, (_, i) => `step ${i}`);
  const worked = work((await change).id, { state: 'succeeded', result: null }, steps);
  const said: string[] = [];
  for await (const event of change.events()) said.push('event' in event ? event.reason : event.step);
  await worked;
  expect(said).toEqual(['queued', ...steps, 'succeeded']);
  expect(proxy.seen.filter((path) => path.endsWith('/log')).length).toBeGreaterThan(4);
});

test('a log that nobody reads any more, and a wait that is aborted, end their connections', async () => {
  const geard = clientOf(opened.api.url);
  const abort = new AbortController();
  const change = geard.container.restart({ r: 'web' }, { signal: abort.signal });
  const { id } = await change;
  for await (const event of geard.job.log({ id })) {
    expect(event).toMatchObject({ step: 'queued' });
    break;
  }
  const [done, events] = [change.done(), change.events()];
  await events.next();
  const next = events.next();
  abort.abort(new Error('enough'));
  await expect(done).rejects.toThrow('enough');
  await expect(next).rejects.toThrow('enough');
  expect(await geard.job.read({ id })).toMatchObject({ state: 'queued' });
  await work(id, { state: 'succeeded', result: null });
});

test('documents, texts and refusals come from a real api as their types have them', async () => {
  const geard = clientOf(opened.api.url);
  expect((await geard.host.list()).hosts.map(({ name }) => name)).toEqual(['h1']);
  expect((await geard.whoami()).actions).toContain('job.read');
  await expect(geard.environment.read({ r: 'none' })).rejects.toMatchObject({
    code: 'environment_not_found',
  });
  await expect(geard.content.archive({ r: 'none', ref: 'a/b' })).rejects.toMatchObject({
    ...{ code: 'repository_not_found', status: 404 },
  });
  await expect(createClient({ api: opened.api.url, token: 'x' }).whoami()).rejects.toMatchObject({
    code: 'token_invalid',
  });
});

test('the examples of docs/client.md run as the page shows them', async () => {
  const { queue, api } = opened;
  const directory = mkdtempSync(join(tmpdir(), 'geard-client-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const blocks = [...readFileSync('docs/client.md', 'utf8').matchAll(/^```ts\n([\s\S]*?)^```$/gm)];
  const program = blocks.map(([, text]) => text).join('\n');
  const file = join(directory, 'examples.ts');
  writeFileSync(
    file,
    program
      .replace("'geard/client'", `'${resolve('src/client/client.ts')}'`)
      .replace('http://127.0.0.1:2223', api.url),
  );
  const said: string[] = [];
  vi.spyOn(console, 'log').mockImplementation((line: string) => void said.push(line));
  onTestFinished(() => void vi.restoreAllMocks());
  // A worker for the jobs of the examples; the last one, a start, is left alone.
  const done = queue.delivered.length;
  const results = [{ ...installed, ports: [{ internal: 80, external: 4343 }] }, null, null];
  const worker = results.map(async (result, i) => {
    const id = await until('there is a job', () => queue.delivered[done + i]);
    await work(id, { state: 'succeeded', result }, ['start']);
  });
  await import(file);
  await Promise.all(worker);
  expect(said).toEqual([
    ...['port 4343 on the host', expect.stringMatching(/^job [0-9a-f]{32} is accepted$/)],
    ...['queued: accepted for the host h1', 'start: it does start', 'succeeded'],
    ...['one job', 'container_not_found 404', 'queued', 'start', 'succeeded', 'TimeoutError', 'queued'],
  ]);
});
