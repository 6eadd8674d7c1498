import { expect, test } from 'vitest';
import { jobEventId } from '../../../../src/api/streams/job-log.ts';

test.each([
  '0-0',
  '1700000000000-12',
  '9999999999999999999-999999999999999999',
])('%s is an id of a line of a job', (id) => {
  expect(jobEventId.safeParse(id).success).toBe(true);
});

test.each([
  '',
  'x',
  '1',
  '1-',
  '-1',
  '1-0\n',
  '18446744073709551616-0',
  '99999999999999999999-0',
  '0-18446744073709551616',
])('%j, which Redis would refuse after the head of the answer, is none', (id) => {
  expect(jobEventId.safeParse(id).success).toBe(false);
});
