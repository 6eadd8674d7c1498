import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Job } from '../../src/jobs/job.ts';
import { activeState, type Daemon, openDaemon, sampleImage } from '../support/daemon.ts';
import { ok } from '../support/run.ts';
import { until } from '../support/until.ts';

let daemon: Daemon;
beforeAll(async () => {
  await sampleImage('pmorie/sti-html-app');
  daemon = await openDaemon({ base: '/var/lib/gears', port: 2223 });
});
afterAll(() => daemon.close());

/** The line as the page has it, run by curl. */
const curl = async (...args: string[]): Promise<Job> => JSON.parse(await ok('curl', '-sS', ...args));
const finished = (id: string) =>
  until(`job ${id} has finished`, async () => {
    const job = await curl(`http://localhost:2223/token/__test__/job/${id}`);
    return job.finishedAt ? job : false;
  });

test("the origin's curl lines install, start and stop a gear that answers on its port", async () => {
  const accepted = await curl(
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

  await curl('-X', 'PUT', 'http://localhost:2223/token/__test__/container/stopped?u=0&d=1&r=1&i=3');
  expect(await finished('3')).toMatchObject({ state: 'succeeded' });
  expect(await activeState('1')).toBe('inactive');

  await curl('-X', 'PUT', 'http://localhost:2223/token/__test__/container/started?u=0&d=1&r=1&i=2');
  expect(await finished('2')).toMatchObject({ state: 'succeeded' });
  expect(await activeState('1')).toBe('active');
  expect(await ok('curl', '-sS', 'http://localhost:4343/')).toContain('I am a gear');
});
