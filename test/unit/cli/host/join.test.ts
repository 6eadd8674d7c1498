import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Invitation, writeInvitation } from '../../../../src/cli/host/invitation.ts';
import { joinCommand, startWorker } from '../../../../src/cli/host/join.ts';
import { workerUser } from '../../../../src/queue/redis/acl.ts';

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

test('a host with the longest name joins as the user that gear host add has made for it', async () => {
  const host = 'h'.repeat(63);
  expect(await joined({ ...invitation, host, user: workerUser(host) })).toEqual({ status: 0, stderr: '' });
  expect(await worker()).toContain(`GEARD_REDIS_USER=geard-${host}\n`);
});

test('a name in worker.env overrides the one in geard.env', async () => {
  await given('geard.env', 'GEARD_HOST=h2\n');
  await given('worker.env', 'GEARD_HOST=h1\n');
  expect(await joined()).toEqual({ status: 0, stderr: '' });
  expect(await worker()).toContain('GEARD_REDIS_URL=rediss://redis.example:6379\n');
});

test('an invitation to a Redis without TLS makes a worker that accepts it', async () => {
  expect(await joined({ ...invitation, redis: 'redis://10.0.0.1', insecureRedis: true })).toEqual({
    status: 0,
    stderr: '',
  });
  expect(await worker()).toContain('GEARD_INSECURE_REDIS=1\n');
});

/** A systemd whose worker ends at this look; `asked` has what it was told to do. */
function systemd(endsAt: number) {
  const asked: string[] = [];
  let looks = 0;
  let waited = 0;
  const how: Parameters<typeof startWorker>[1] = {
    async run(program, args) {
      asked.push([program, ...args].join(' '));
      const isOver = args.includes('is-active') && looks++ === endsAt;
      const stdout = program === 'journalctl' ? '--redis: WRONGPASS\n' : '';
      return { status: isOver ? 3 : 0, stdout, stderr: '' };
    },
    async wait(milliseconds) {
      waited += milliseconds;
    },
  };
  return { how, asked, waited: () => waited };
}

test('a worker that ends soon after its start is told as a failure, with the end of its log', async () => {
  const { how, asked } = systemd(9);
  await expect(startWorker('/etc/geard', how)).rejects.toThrow(
    'geard-worker does not run:\n--redis: WRONGPASS\nmend what it says above (settings: /etc/geard/worker.env)',
  );
  expect(asked.slice(0, 3)).toEqual([
    'systemctl enable --quiet gear.target geard-worker.service',
    'systemctl start gear.target',
    'systemctl restart geard-worker.service',
  ]);
});

test('a worker that runs for three seconds is told as started', async () => {
  const written = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  const { how, waited } = systemd(Number.POSITIVE_INFINITY);
  await startWorker('/etc/geard', how);
  expect(waited()).toBe(3_000);
  expect(written).toHaveBeenCalledWith(expect.stringContaining('geard-worker is started'));
});
