import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { run } from '../../support/run.ts';
import { until } from '../../support/until.ts';

/** Runs commands with what the lab has for processes, and with the path of a file as $1. */
async function withFile() {
  const directory = await mkdtemp(join(tmpdir(), 'geard-lab-processes-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const file = join(directory, 'pid');
  const shell = (commands: string) =>
    run('bash', '-c', `set -euo pipefail; . contrib/lab.d/processes.sh; ${commands}`, 'bash', file);
  return { file, shell };
}

test('what is begun is remembered before it does anything', async () => {
  const { file, shell } = await withFile();
  const { status, stdout } = await shell(
    'tell() { cat "$file"; echo $BASHPID; exec true; }; begin "$1" tell; wait',
  );
  expect(status).toBe(0);
  const [remembered = '', pid] = stdout.trim().split('\n');
  expect(remembered).toMatch(new RegExp(`^${pid} \\d+$`));
  expect((await readFile(file, 'utf8')).trim()).toBe(remembered);
});

test('what a shell has begun when it is killed can be ended by the next one', async () => {
  const { shell } = await withFile();
  const killed =
    'stay() { kill -KILL $$; exec sleep 60; }; begin "$1" stay </dev/null >/dev/null 2>&1; echo on';
  expect((await shell(killed)).stdout).toBe('');
  const remembered = (await shell('alive "$1"')).stdout.trim();
  const name = async () => (await readFile(`/proc/${remembered}/comm`, 'utf8')).trim();
  await until('it is what it was to become', async () => (await name()) === 'sleep');
  expect(await shell('end "$1" TERM; alive "$1"')).toMatchObject({ status: 1, stdout: '' });
});

test('a command that cannot be begun does not keep its shell waiting', async () => {
  const { shell } = await withFile();
  expect(await shell('begin /nowhere/pid exec sleep 60 2>/dev/null; echo on')).toMatchObject({
    stdout: 'on\n',
  });
});
