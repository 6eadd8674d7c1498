import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { addCommand } from '../../../../src/cli/host/add.ts';
import { readInvitation } from '../../../../src/cli/host/invitation.ts';
import { makeKeys } from '../../../../src/token/key-files.ts';
import { openAclServer } from '../../../support/acl-server.ts';

let directory: string;
let acl: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'geard-add-'));
  acl = join(directory, 'users.acl');
  await writeFile(acl, 'user default on nopass ~* &* +@all\n');
  await makeKeys(directory, ['issuer', 'daemon']);
});
afterEach(async () => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
  await rm(directory, { recursive: true });
});

/** Adds the host h2; returns the exit code and what was written. */
async function added(...args: string[]) {
  const written = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    vi.spyOn(process[name], 'write').mockImplementation((text) => {
      written[name] += String(text);
      return true;
    });
  await addCommand().parseAsync(['h2', '--keys', directory, ...args], { from: 'user' });
  vi.restoreAllMocks();
  return { ...written, status: process.exitCode };
}

const invitationIn = (printed: string) => readInvitation(printed.split('\n').slice(1, -2).join('\n'));

test('a Redis that the worker would refuse for want of TLS is refused before a user is made', async () => {
  const { status, stderr } = await added('--redis', 'redis://10.0.0.1', '--acl-file', acl);
  expect([status, stderr]).toEqual([2, expect.stringContaining('sent without TLS')]);
  expect(await readFile(acl, 'utf8')).not.toContain('geard-h2');
});

test('with --insecure-redis the invitation says that the worker is to accept it', async () => {
  const plain = ['--redis', 'redis://10.0.0.1', '--acl-file', acl, '--insecure-redis'];
  const { status, stdout } = await added(...plain);
  expect(status).toBe(0);
  expect(invitationIn(stdout)).toMatchObject({ redis: 'redis://10.0.0.1', insecureRedis: true });
});

test('a Redis with TLS needs no such switch', async () => {
  const { stdout } = await added('--redis', 'rediss://10.0.0.1', '--acl-file', acl);
  expect(invitationIn(stdout)).not.toHaveProperty('insecureRedis');
});

test('keys that would let no worker start are refused before a user is made', async () => {
  await rm(directory, { recursive: true });
  await makeKeys(directory, ['issuer']);
  await writeFile(acl, '');
  const { status, stderr } = await added('--redis', 'rediss://10.0.0.1', '--acl-file', acl);
  expect([status, stderr]).toEqual([2, expect.stringMatching(/daemon\.key .*gear token keygen/)]);
  expect(await readFile(acl, 'utf8')).toBe('');
});

test('certificates that the host could not take from an invitation are refused before a user is made', async () => {
  const ca = join(directory, 'ca.pem');
  await writeFile(ca, 'x'.repeat(65_537));
  const { status, stderr } = await added('--redis', 'rediss://10.0.0.1', '--redis-ca', ca, '--acl-file', acl);
  expect([status, stderr]).toEqual([2, expect.stringContaining(`--redis-ca: ${ca} has more than 65536`)]);
  expect(await readFile(acl, 'utf8')).not.toContain('geard-h2');
});

test('a user that Redis does not save is told with the reason of Redis and the way by --acl-file', async () => {
  const admin = join(directory, 'admin');
  await writeFile(admin, 'a-password\n', { mode: 0o600 });
  const { url } = await openAclServer({ SAVE: '-ERR There was an error trying to save the ACLs.' });
  const { status, stderr } = await added('--redis', url, '--admin-password-file', admin);
  expect(status).toBe(0);
  expect(stderr).toMatch(/geard-h2, so it loses it when it restarts: ERR There was an error trying to save/);
  expect(stderr).toMatch(/use --acl-file, then ACL LOAD$/m);
});
