import { expect, test } from 'vitest';
import { hostName } from '../../../../src/jobs/fields/identifier.ts';
import { apiAcl, workerAcl, workerUser } from '../../../../src/queue/redis/acl.ts';

const userOf = (line: string) => line.split(' ')[1];

test('a worker logs in as a user of its own, also on a host that is named api', () => {
  expect(userOf(workerAcl('a-password', 'h1'))).toBe('geard-h1');
  expect(userOf(workerAcl('a-password', 'api'))).not.toBe(userOf(apiAcl('a-password')));
});

test('no other host has the user of the worker of a host that is named api', () => {
  expect(hostName.safeParse(workerUser('api').replace('geard-', '')).success).toBe(false);
});
