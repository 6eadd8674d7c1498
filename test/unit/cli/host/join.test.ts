import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Invitation, writeInvitation } from '../../../../src/cli/host/invitation.ts';
import { joinCommand } from '../../../../src/cli/host/join.ts';

let settings: string;
beforeEach(async () => {
  settings = await mkdtemp(join(tmpdir(), 'geard-join-'));
});
afterEach(async () => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
  await rm(settings, { recursive: true });
});

const invitation: Invitation = {
  ...{ v: 1, host: 'h1', fleet: 'geard', redis: 'rediss://redis.example:6379', user: 'geard-h1' },
  ...{ password: 'a-password-of-the-host', keys: {} },
};

/** Joins with these settings only; returns the exit code and what was written to standard error. */
async function joined(given: Invitation = invitation) {
  let stderr = '';
  vi.spyOn(process, 'stdin', 'get').mockReturnValue(Readable.from([writeInvitation(given)]) as never);
  vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    stderr += String(text);
    return true;
  });
  await joinCommand().parseAsync(['--no-start', '--settings', settings], { from: 'user' });
  vi.restoreAllMocks();
  return { status: process.exitCode, stderr };
}

/** Writes a file of settings. */
const given = (file: string, text: string) => writeFile(join(settings, file), text);

const worker = () => readFile(join(settings, 'worker.env'), 'utf8');

test.each(['geard.env', 'worker.env'])('a host that has another name by %s keeps it', async (file) => {
  await given(file, '#GEARD_HOST=h3\nGEARD_HOST=h2\n');
  const stderr = `gear: this host has joined as h2; remove GEARD_HOST from ${join(settings, file)} if it should be h1\n`;
  expect(await joined()).toEqual({ status: 2, stderr });
});

test('a name in worker.env overrides the one in geard.env', async () => {
  await given('geard.env', 'GEARD_HOST=h2\n');
  await given('worker.env', 'GEARD_HOST=h1\n');
  expect(await joined()).toEqual({ status: 0, stderr: '' });
  expect(await worker()).toContain('GEARD_REDIS_URL=rediss://redis.example:6379\n');
});
