import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { ask } from '../support/ask.ts';
import { type Daemon, openDaemon, sampleImage } from '../support/daemon.ts';
import { openKeyedFleet } from '../support/keyed-fleet.ts';
import { promtool } from '../support/promtool.ts';
import { until } from '../support/until.ts';

let daemon: Daemon;
beforeAll(async () => {
  await sampleImage();
  daemon = await openDaemon();
});
afterAll(() => daemon.close());

const scrape = async () => String((await ask(daemon.url.replace(/\/token\/.*/, '/metrics'))).body);

test('a daemon shows what its api and its worker have done, and names nothing', async () => {
  const installed = await daemon.change(
    'PUT',
    'container',
    { r: 'unnamed-gear', t: 'geard/sample', u: 'unnamed-user' },
    { ports: [{ internal: 8080 }] },
  );
  expect(installed.status).toBe(200);
  const failed = await daemon.change('PUT', 'container/stopped', { r: 'unnamed-missing' });
  expect(failed.body.code).toBe('container_not_found');
  const expected = [
    'geard_build_info{version="',
    'geard_jobs_accepted_total{type="container.install"} 1\n',
    'geard_jobs_finished_total{type="container.install",state="succeeded"} 1\n',
    'geard_job_duration_seconds_count{type="container.install",state="succeeded"} 1\n',
    'geard_job_wait_seconds_count{type="container.install"} 1\n',
    'geard_job_step_seconds_count{step="start"} 1\n',
    'geard_jobs_running 0\n',
    'geard_gears{active="active"} 1\n',
    'geard_hosts{state="live"} 1\n',
    'geard_fleet_gears 1\n',
    'geard_redis_up 1\n',
    'geard_effect_duration_seconds_count{system="docker",outcome="done"}',
    'geard_effect_duration_seconds_count{system="dbus",outcome="done"}',
    'geard_effect_duration_seconds_count{system="redis",outcome="done"}',
    'geard_effect_duration_seconds_count{system="disk",outcome="done"}',
  ];
  let text = '';
  const missing = () => expected.filter((line) => !text.includes(line));
  // A host announces how many gears it has a little later.
  await until('all is shown', async () => {
    text = await scrape();
    return missing().length === 0;
  }).catch(() => expect(missing()).toEqual([]));
  expect(text.replace(/^#.*$/gm, '')).not.toMatch(/unnamed|geard\/sample|"h1"|__test__/);
});

test('promtool has nothing to say of them', async () => {
  expect(await promtool(['check', 'metrics'], await scrape())).toEqual({ status: 0, said: '' });
});

test('a worker of a fleet shows its own at --metrics-listen, and an api tells that Redis does not answer', async () => {
  const address = '127.0.0.1:12964';
  const fleet = await openKeyedFleet('relay', [], { worker: ['--metrics-listen', address] });
  onTestFinished(fleet.close);
  const client = await fleet.as();
  const env = [{ name: 'A', value: 'unnamed-value' }];
  const made = await client.change('PUT', 'environment', { r: 'unnamed-variables' }, { env });
  expect(made.body.state).toBe('succeeded');
  // The worker's port is no api's, and not in the document.
  const ofWorker = await (await fetch(`http://${address}/metrics`)).text();
  expect(ofWorker).toContain('geard_jobs_finished_total{type="environment.replace",state="succeeded"} 1\n');
  expect(ofWorker).not.toMatch(/unnamed|geard_redis_up/);
  expect(await promtool(['check', 'metrics'], ofWorker)).toEqual({ status: 0, said: '' });
  expect((await fetch(`http://${address}/`)).status).toBe(404);
  const ofApi = async () => String((await ask(`${fleet.api}/metrics`)).body);
  expect(await ofApi()).toContain('geard_redis_up 1\n');
  process.kill(fleet.redis.pid, 'SIGSTOP');
  onTestFinished(() => void process.kill(fleet.redis.pid, 'SIGCONT'));
  await until('the api tells it', async () => (await ofApi()).includes('geard_redis_up 0\n'));
  process.kill(fleet.redis.pid, 'SIGCONT');
  await until('it tells that Redis is back', async () => (await ofApi()).includes('geard_redis_up 1\n'));
});
