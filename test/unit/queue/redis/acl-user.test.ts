import { expect, test } from 'vitest';
import { workerAcl } from '../../../../src/queue/redis/acl.ts';
import { makeUser } from '../../../../src/queue/redis/acl-user.ts';
import { openAclServer } from '../../../support/acl-server.ts';
import { freePort } from '../../../support/free-port.ts';

const line = workerAcl('a-password-of-h2', 'h2');

test('a user is made with the rules of its line, and saved', async () => {
  const { url, sent } = await openAclServer();
  expect(await makeUser({ url }, line)).toBeNull();
  expect(sent.map(([about]) => about)).toEqual(['GETUSER', 'SETUSER', 'SAVE']);
  expect(sent[1]?.slice(0, 4)).toEqual(['SETUSER', 'geard-h2', 'reset', 'on']);
});

test('a user that exists keeps its password: the way to remove it is told', async () => {
  const { url, sent } = await openAclServer({ GETUSER: '*2\r\n+flags\r\n*1\r\n+on' });
  await expect(makeUser({ url }, line)).rejects.toThrow(/the user geard-h2 exists.* ACL DELUSER geard-h2$/);
  expect(sent.map(([about]) => about)).toEqual(['GETUSER']);
});

test('a user that Redis does not save is told with the reason of Redis', async () => {
  const { url } = await openAclServer({ SAVE: '-ERR There was an error trying to save the ACLs.' });
  expect(await makeUser({ url }, line)).toBe('ERR There was an error trying to save the ACLs.');
});

test('what Redis refuses is told with its address and without the password', async () => {
  const { url } = await openAclServer({ SETUSER: '-NOPERM this user has no permissions' });
  const withLogin = url.replace('//', '//me:secret@');
  await expect(makeUser({ url: withLogin }, line)).rejects.toThrow(
    `${url}: NOPERM this user has no permissions`,
  );
});

test('a Redis that cannot be reached is told with the reason and its address', async () => {
  const at = `127.0.0.1:${await freePort()}`;
  const refused = makeUser({ url: `redis://${at}` }, line);
  await expect(refused).rejects.toThrow(`redis://${at}: connect ECONNREFUSED ${at}`);
  const cluster = makeUser({ url: `redis+cluster://${at}` }, line);
  await expect(cluster).rejects.toThrow(`redis+cluster://${at}: Failed to refresh slots cache. `);
});
