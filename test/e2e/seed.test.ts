import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Job } from '../../src/jobs/job.ts';
import { curl } from '../support/curl.ts';
import { activeState, type Daemon, openDaemon, sampleImage } from '../support/daemon.ts';
import { pushFiles } from '../support/repository.ts';
import { ok } from '../support/run.ts';
import { until } from '../support/until.ts';

let daemon: Daemon;
beforeAll(async () => {
  await sampleImage('pmorie/sti-html-app');
  daemon = await openDaemon({ base: '/var/lib/gears', port: 2223 });
});
afterAll(() => daemon.close());

/** The job that the line answers with as the page has it, run by curl. */
async function jobBy(...args: string[]): Promise<Job> {
  const { code, body } = await curl(...args).done;
  expect(code).toBe(0);
  return JSON.parse(String(body));
}
const finished = (id: string) =>
  until(`job ${id} has finished`, async () => {
    const job = await jobBy(`http://localhost:2223/token/__test__/job/${id}`);
    return job.finishedAt ? job : false;
  });

test("the origin's curl lines install, start and stop a gear that answers on its port", async () => {
  const accepted = await jobBy(
    '-X',
    'PUT',
    'http://localhost:2223/token/__test__/container?u=0&d=1&t=pmorie%2Fsti-html-app&r=1&i=1',
    '-d',
    '{"ports":[{"external":"4343","internal":"8080"}]}',
  );
  expect(accepted).toMatchObject({
    id: '00000000000000000000000000000001',
    type: 'container.install',
    resource: '1',
  });
  expect(await finished('1')).toMatchObject({
    state: 'succeeded',
    result: { ports: [{ internal: 8080, external: 4343 }] },
  });
  expect(await ok('systemctl', 'status', 'gear-1', '--no-pager')).toContain('active (running)');
  expect(await ok('curl', '-sS', 'http://localhost:4343/')).toContain('I am a gear');

  await jobBy('-X', 'PUT', 'http://localhost:2223/token/__test__/container/stopped?u=0&d=1&r=1&i=3');
  expect(await finished('3')).toMatchObject({ state: 'succeeded' });
  expect(await activeState('1')).toBe('inactive');

  await jobBy('-X', 'PUT', 'http://localhost:2223/token/__test__/container/started?u=0&d=1&r=1&i=2');
  expect(await finished('2')).toMatchObject({ state: 'succeeded' });
  expect(await activeState('1')).toBe('active');
  expect(await ok('curl', '-sS', 'http://localhost:4343/')).toContain('I am a gear');
});

test("the origin's line for logs streams them for 30 seconds, and those for repositories give an archive", async () => {
  const log = 'http://localhost:2223/token/__test__/container/log?u=0&d=1&r=1&i=4';
  const started = Date.now();
  const streaming = curl('-X', 'PUT', log).done.then((streamed) => ({
    ...streamed,
    took: Date.now() - started,
  }));

  const created = await jobBy(
    '-X',
    'PUT',
    'http://localhost:2223/token/__test__/repository?u=0&d=1&r=git1&i=5',
  );
  expect(created).toMatchObject({ type: 'repository.create', resource: 'git1' });
  expect(await finished('5')).toMatchObject({ state: 'succeeded', result: { unit: 'job-git1.service' } });
  expect(await ok('systemctl', 'status', 'job-git1', '--no-pager')).toContain('active (exited)');

  await jobBy('-X', 'PUT', 'http://localhost:2223/token/__test__/repository?u=0&d=1&r=git2&i=6');
  expect(await finished('6')).toMatchObject({ state: 'succeeded', error: null });
  await pushFiles('/var/lib/gears/git/git2', 'master', { 'index.html': 'I am an archive\n' });
  const zip = '/tmp/geard-seed.zip';
  const content = 'http://localhost:2223/token/__test__/content?u=0&d=1&t=gitarchive&r=git2&i=7';
  expect((await curl('-f', '-o', zip, content).done).code).toBe(0);
  expect(await ok('unzip', '-tq', zip)).toContain('No errors detected');
  expect(await ok('unzip', '-p', zip, 'index.html')).toBe('I am an archive');
  await ok('rm', zip);

  const { code, body, took } = await streaming;
  expect(code).toBe(0);
  expect(String(body)).toContain('serving on 8080');
  expect(took).toBeGreaterThan(29_500);
  expect(took).toBeLessThan(35_000);
});
