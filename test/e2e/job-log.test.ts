import { afterAll, beforeAll, expect, test } from 'vitest';
import { newId } from '../support/client.ts';
import { curl } from '../support/curl.ts';
import { type Daemon, openDaemon, sampleImage } from '../support/daemon.ts';
import { ok } from '../support/run.ts';
import { until } from '../support/until.ts';

let daemon: Daemon;
beforeAll(async () => {
  await sampleImage();
  daemon = await openDaemon();
});
afterAll(() => daemon.close());

const install = async (r: string, body: unknown = {}, t = 'geard/sample') => {
  const i = newId();
  const accepted = await daemon.send('PUT', 'container', { u: '0', i, r, t }, { body });
  expect(accepted.status).toBe(202);
  return i;
};
const log = (i: string, ...headers: string[]) => curl(...headers, `${daemon.url}/job/${i}/log`).done;
const text = (body: Buffer) => body.toString();

test('a job tells every step from being accepted to the port and the time it took', async () => {
  const { code, body } = await log(await install('told', { ports: [{ internal: 8080, external: 4711 }] }));
  expect(code).toBe(0);
  const lines = text(body).trimEnd().split('\n');
  expect(lines.every((line) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z /.test(line))).toBe(true);
  // A wait for the port is told only where it takes long.
  const steps = lines.map((line) => line.replace(/^\S+ /, '')).filter((line) => !line.startsWith('ready: '));
  expect(steps).toEqual([
    'queued: accepted for the host h1',
    'image: looking for geard/sample',
    'ports: reserving ports',
    'unit: writing gear-told.service',
    'start: starting gear-told.service',
    expect.stringMatching(/^succeeded in \d+\.\d s: gear-told.service, port 8080 is reached at 4711$/),
  ]);
});

test('asked late, and by many at once while it runs, everybody gets all of it', async () => {
  const i = await install('many', { command: ['/bin/sh', '-c', 'sleep 0.3; exit 3'] });
  const all = await Promise.all(Array.from({ length: 20 }, () => log(i)));
  const late = await log(i);
  expect(new Set(all.map(({ body }) => text(body)))).toEqual(new Set([text(late.body)]));
  expect(text(late.body)).toMatch(/ failed after \d+\.\d s: .*exit status 3[\s\S]*\(start_failed\)\n$/);
});

test('a log is live: a step is there before the job has gone on', async () => {
  // Docker's own answer is held up, so that the pull hangs.
  await ok('systemctl', 'kill', '--signal=STOP', 'docker');
  const i = await install('live');
  const live = curl(`${daemon.url}/job/${i}/log`);
  try {
    await until('the step is told', () =>
      text(live.received()).includes('image: looking for geard/sample\n'),
    );
    expect((await daemon.send('GET', `job/${i}`)).body.state).toBe('running');
  } finally {
    await ok('systemctl', 'kill', '--signal=CONT', 'docker');
  }
  expect((await live.done).code).toBe(0);
});

test('as events it can be resumed after any line and tells its end, as JSON lines it tells result and error', async () => {
  const i = await install('events');
  const events = text((await log(i, '-H', 'Accept: text/event-stream')).body);
  const ids = [...events.matchAll(/^id: (.+)$/gm)].map(([, id]) => id as string);
  expect(events).toMatch(/event: end\ndata: \{"reason":"succeeded"\}\n\n$/);
  const third = text(
    (await log(i, '-H', 'Accept: text/event-stream', '-H', `Last-Event-ID: ${ids[2]}`)).body,
  );
  expect([...third.matchAll(/^id: (.+)$/gm)].map(([, id]) => id)).toEqual(ids.slice(3));
  const json = text((await log(i, '-H', 'Accept: application/x-ndjson')).body)
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(json.at(0)).toMatchObject({ step: 'queued' });
  expect(json.at(-1)).toMatchObject({
    event: 'end',
    reason: 'succeeded',
    result: { unit: 'gear-events.service' },
    error: null,
  });
});

test("another user's job, one that is not there and an id that is none are refused before the first byte", async () => {
  const i = await install('whose');
  expect((await daemon.send('GET', `job/${i}/log`, { u: 'other' })).body.code).toBe('job_not_found');
  expect((await daemon.send('GET', 'job/abc123/log')).body.code).toBe('job_not_found');
  expect((await daemon.send('GET', 'job/xyz/log')).body.code).toBe('invalid_request');
  for (const id of ['x', '99999999999999999999-0']) {
    const headers = { 'Last-Event-ID': id };
    expect((await daemon.send('GET', `job/${i}/log`, {}, { headers })).status).toBe(400);
  }
  expect((await daemon.send('PUT', `job/${i}/log`)).status).toBe(405);
});
