import { expect, test } from 'vitest';
import { seesJob } from '../../../../src/jobs/access/scope.ts';

const job = { user: 'ann', resource: 'web-1', host: 'h1', type: 'container.stop' };
const ofHost = { user: 'admin', resource: 'web-1', host: 'web-1', type: 'host.repair' };

test('a name sees jobs on what has it, and no job of a host that is called so', () => {
  expect(seesJob({ r: 'web-*' }, job)).toBe(true);
  expect(seesJob({ r: 'web-1' }, job)).toBe(true);
  expect(seesJob({ r: 'db' }, job)).toBe(false);
  expect(seesJob({ r: 'web-*' }, ofHost)).toBe(false);
  expect(seesJob({ r: 'web-1', u: 'admin', types: ['*.*'] }, ofHost)).toBe(false);
  expect(seesJob({}, ofHost)).toBe(true);
  expect(seesJob({ u: 'admin', h: 'web-1' }, ofHost)).toBe(true);
});
