import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { run } from '../../support/run.ts';
import { until } from '../../support/until.ts';

async function emptyDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'geard-prepare-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  return directory;
}

/** Commands with what prepare.sh defines. */
const prepared = (commands: string) => ['-c', `set -euo pipefail; . scripts/lib/prepare.sh; ${commands}`];

test('a step that fails is not taken for done, whatever comes after it', async () => {
  const directory = await emptyDirectory();
  const steps = `steps() { echo reason; false; touch ${directory}/complete; }`;
  const { status, stderr } = await run('bash', ...prepared(`${steps}; quietly steps steps; echo on`));
  expect([status, stderr.trim()]).toEqual([1, 'FAILED\nreason']);
  expect(existsSync(join(directory, 'complete'))).toBe(false);
  expect(await run('bash', ...prepared('quietly truth true; echo on'))).toMatchObject({
    status: 0,
    stdout: expect.stringMatching(/truth … done \(\d+ s\)\non\n$/),
  });
});

test.each([
  'SIGINT',
  'SIGTERM',
  'SIGHUP',
] as const)('%s while packages are installed leaves no rule that keeps services from starting', async (signal) => {
  const policy = join(await emptyDirectory(), 'policy-rc.d');
  // A shell cannot trap what was ignored when it began, as SIGINT is in a background job.
  // A shell goes on where a program that it waits for ends by itself at a SIGINT, as one just about to end does.
  const slow = `apt-get() { : >${policy}.runs; sleep 60; }`;
  const commands = `policy=${policy}; ${slow}; quietly packages install_packages a`;
  const args = ['--default-signal=INT', 'bash', ...prepared(commands)];
  const child = spawn('env', args, { detached: true, stdio: 'ignore' });
  const exited = once(child, 'exit');
  await until('packages are being installed', () => existsSync(`${policy}.runs`));
  expect(existsSync(policy)).toBe(true);
  process.kill(-(child.pid ?? 0), signal);
  await exited;
  await until('it is gone', () => !existsSync(policy));
});

test('a rule that a killed run has left goes, and one of somebody else stays', async () => {
  const policy = join(await emptyDirectory(), 'policy-rc.d');
  const install = () =>
    run('bash', ...prepared(`policy=${policy}; apt-get() { cat "$policy"; }; install_packages a`));
  const { stdout } = await install();
  expect(stdout).toContain('exit 101');
  expect(existsSync(policy)).toBe(false);
  await writeFile(policy, '#!/bin/sh\n# Of geard: while it installs packages.\nexit 101\n');
  await install();
  expect(existsSync(policy)).toBe(false);
  await writeFile(policy, '#!/bin/sh\nexit 0\n');
  await install();
  expect(await readFile(policy, 'utf8')).toBe('#!/bin/sh\nexit 0\n');
});
