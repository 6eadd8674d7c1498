import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { ask, askAsWritten, askForStream } from '../support/ask.ts';
import { createClient } from '../support/client.ts';
import { curl, pasted } from '../support/curl.ts';
import { openQueueApi, type QueueApi } from '../support/test-api.ts';
import { until } from '../support/until.ts';

let opened: QueueApi;
let url: string;
let directory: string;
beforeAll(async () => {
  opened = await openQueueApi();
  url = `${opened.api.url}/token/__test__`;
  await opened.queue.hold('web');
  directory = await mkdtemp(join(tmpdir(), 'geard-answers-'));
  vi.stubEnv('GEARD_ANSWERS', join(directory, 'answers'));
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await opened.close();
  await rm(directory, { recursive: true });
});

/** What was compared while something was asked. */
async function compared(asking: () => Promise<unknown>): Promise<string[]> {
  await rm(join(directory, 'answers'), { force: true });
  await asking();
  return (await readFile(join(directory, 'answers'), 'utf8')).trimEnd().split('\n');
}

test('an answer is compared with the document whoever has asked for it: a client, fetch, curl or a shell', async () => {
  const asking = async () => {
    await createClient(url).send('GET', 'jobs');
    await ask(`${opened.api.url}/openapi.json`);
    await ask(`${opened.api.url}/metrics`);
    await ask(`${url}/hosts`, { method: 'HEAD' });
    await (await askForStream(`${url}/whoami`)).text();
    expect((await curl(`${url}/containers`).done).code).toBe(0);
    const refused = await pasted(`curl -X PUT '${url}/container/stopped?r=web' -d '{}'`).done;
    expect(JSON.parse(String(refused.body))).toMatchObject({ code: 'invalid_request' });
    expect(refused.headers.get('content-type')).toContain('problem');
    const inWords = await curl('-H', 'Accept: text/plain', `${url}/container?r=nobody`).done;
    expect(String(inWords.body)).toMatch(/^No such gear/);
    await askAsWritten(opened.api.url, { target: '/token/__test__/content/../%?t=gitarchive' });
    await askAsWritten(opened.api.url, { method: 'POST', target: '//', headers: { Accept: 'text/plain' } });
  };
  expect(await compared(asking)).toEqual([
    'GET job.list 200',
    'GET /openapi.json 200',
    'GET /metrics 200',
    'GET host.list 200',
    'GET whoami 200',
    'GET container.list 200',
    'PUT container.stop 400',
    'GET container.read 404',
    'GET content.archive 400',
    'POST - 401',
  ]);
});

test.each([
  'text/plain',
  'text/event-stream',
  'application/x-ndjson',
])('the log of a job as %s is compared line by line, also where it was cut off', async (accept) => {
  const id = await opened.queue.accepted('web');
  const log = ['-H', `Accept: ${accept}`, `${url}/job/${id}/log`];
  const cut = curl(...log);
  const asking = async () => {
    await until('it has begun', () => cut.received().length > 0);
    cut.child.kill('SIGKILL');
    expect((await cut.done).code).toBeNull();
    await opened.queue.execute(id);
    const { code, body } = await curl(...log).done;
    expect([code, String(body)]).toEqual([0, expect.stringContaining('succeeded')]);
  };
  expect(await compared(asking)).toEqual(['GET job.log 200', 'GET job.log 200']);
});

test('where nobody answers there is nothing to compare', async () => {
  expect((await curl('http://127.0.0.1:9/token/x/jobs').done).code).toBe(7);
  expect(await askAsWritten('http://127.0.0.1:9', { target: '/' })).toBeNull();
});
