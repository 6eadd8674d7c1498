import { afterAll, beforeAll, expect, test } from 'vitest';
import { newId } from '../support/client.ts';
import { containersOf, type Daemon, openDaemon, sampleImage, startsOf } from '../support/daemon.ts';
import { run } from '../support/run.ts';
import { until } from '../support/until.ts';

let daemon: Daemon;
beforeAll(async () => {
  await sampleImage();
  daemon = await openDaemon();
});
afterAll(() => daemon.close());

test('one request sent 50 times at once, and again after kill -9 of every process, takes effect once', async () => {
  const parameters = { u: '0', r: 'once', t: 'geard/sample', i: newId() };
  const body = { ports: [{ internal: '8080' }] };
  const send = () => daemon.send('PUT', 'container', parameters, { body });

  const first = await Promise.all(Array.from({ length: 50 }, send));
  expect(new Set(first.map(({ status }) => status))).toEqual(new Set([202]));
  expect(new Set(first.map(({ body }) => body.id)).size).toBe(1);
  expect(first.filter(({ headers }) => headers.has('Idempotent-Replayed'))).toHaveLength(49);

  await daemon.kill();
  await daemon.start();
  const again = await Promise.all(Array.from({ length: 50 }, send));
  expect(new Set(again.map(({ body }) => body.id))).toEqual(new Set([first[0]?.body.id]));
  const job = await until('the job has finished', async () => {
    const { body } = await daemon.send('GET', `job/${parameters.i}`, { wait: '10' });
    return body.finishedAt ? body : false;
  });
  expect(job).toMatchObject({ state: 'succeeded' });

  await daemon.kill();
  await daemon.start();
  const late = await send();
  expect(late.status).toBe(200);
  expect(late.body).toEqual(job);
  expect(await startsOf('once')).toBe(1);
  expect(await containersOf('once')).toEqual(['gear-once']);

  const other = await daemon.send('PUT', 'container', parameters, { body: { ports: [{ internal: 8081 }] } });
  expect(other).toMatchObject({ status: 422, body: { code: 'request_id_reused' } });
});

test.each([
  ['redis.accept:after', 1],
  ['redis.take:after', 1],
  ['redis.begin:after', 2],
  ['port.reserve:after', 2],
  ['docker.createNetwork:after', 2],
  ['link.place:after', 2],
  ['dbus.StartUnit:before', 2],
  ['dbus.StartUnit:after', 2],
  ['docker.imagesOfGear:after', 2],
  ['redis.finish:before', 2],
  ['redis.finish:after', 1],
])('killed at %s of an install, the daemon brings the job to its end after it is back', async (point, attempts) => {
  const r = `killed-${point.replace(/\W/g, '-').toLowerCase()}`;
  const parameters = { u: '0', r, t: 'geard/sample', i: newId() };
  const send = () => daemon.send('PUT', 'container', parameters, { body: { ports: [{ internal: 8080 }] } });
  await daemon.killAt(point, send);
  await daemon.start();
  // Whoever has no answer asks again.
  expect([200, 202]).toContain((await send()).status);
  const { body: job } = await daemon.send('GET', `job/${parameters.i}`, { wait: '30' });
  expect(job, JSON.stringify(job.error)).toMatchObject({ state: 'succeeded', attempts });
  expect(await containersOf(r)).toEqual([`gear-${r}`]);
  expect(await startsOf(r)).toBe(1);
  const units = await run('systemctl', 'list-units', '--plain', '--no-legend', `gear-${r}.service`);
  expect(units.stdout.trim().split('\n')).toHaveLength(1);
  expect(units.stdout).toContain('active running');
});

test('jobs on one gear run in the order in which they were accepted', async () => {
  await daemon.change('PUT', 'container', { r: 'ordered', t: 'geard/sample' });
  const paths = ['stopped', 'started', 'restarted', 'stopped', 'started', 'stopped'];
  const ids: string[] = [];
  for (const path of paths) {
    const { body } = await daemon.send('PUT', `container/${path}`, { u: '0', r: 'ordered', i: newId() });
    ids.push(body.id);
  }
  const jobs = await Promise.all(
    ids.map(async (id) => (await daemon.send('GET', `job/${id}`, { wait: '60' })).body),
  );
  expect(jobs.map(({ state }) => state)).toEqual(paths.map(() => 'succeeded'));
  const begun = jobs.map(({ startedAt }) => Date.parse(startedAt ?? ''));
  expect(begun).toEqual([...begun].sort((a, b) => a - b));
});
