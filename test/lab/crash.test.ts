import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { availableParallelism, loadavg } from 'node:os';
import { expect, onTestFinished, test } from 'vitest';
import { run } from '../support/run.ts';
import { until } from '../support/until.ts';

/** One in which every kind of fault comes at a moment when jobs are under way. */
const seed = '3';
const rounds = '11';
/** What it may take from the first boot to the last, on a machine that has nothing else to do. */
const mostSeconds = 90;

test('a host that crashes in every way keeps its promises: nothing lost, doubled, wrong or left behind', async () => {
  const { status, stdout, stderr } = await run(
    ...['env', 'GEARD_CRASH_DIR=/run/geard-crash-test', 'scripts/crash.sh'],
    ...['--rounds', rounds, '--seed', seed, '--in-turn'],
  );
  expect(status, `${stdout}\n${stderr}`).toBe(0);
  expect(stdout).toMatch(new RegExp(`^rounds ${rounds}, `, 'm'));
  expect(Number(/^faults (\d+): /m.exec(stdout)?.[1])).toBeGreaterThan(0);
  const [, seconds] = new RegExp(`^seed ${seed}, (\\d+) s$`, 'm').exec(stdout) ?? [];
  const crowding = Math.max(1, (loadavg()[0] ?? 0) / availableParallelism());
  expect(Number(seconds), stdout).toBeLessThanOrEqual(mostSeconds * crowding);
});

test('Ctrl-C in the middle of a round ends with what the rounds came to, a sentence and 130, and leaves nothing', async () => {
  const directory = '/run/geard-crash-ended';
  const command = [`GEARD_CRASH_DIR=${directory}`, 'scripts/crash.sh', '--rounds', '50', '--seed', seed];
  // Of a group of its own, as what a shell runs in the foreground.
  const child = spawn('env', command, { detached: true });
  onTestFinished(() => void child.kill('SIGKILL'));
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += String(chunk)));
  const closed = once(child, 'close');
  await until(
    'a round is over',
    () => {
      expect(child.exitCode, said).toBeNull();
      return said.includes('round 1: ');
    },
    120_000,
  );
  process.kill(-(child.pid ?? 0), 'SIGINT');
  const [status] = await closed;
  expect(status, said).toBe(130);
  expect(said.trim().split('\n').at(-1), said).toBe('interrupted; the lab is taken down');
  expect(said).toMatch(/^so far:\nrounds \d+, /m);
  expect(said).not.toMatch(/^\s+at /m);
  expect([directory, `${directory}.disks`].filter(existsSync)).toEqual([]);
  expect(await readFile('/proc/mounts', 'utf8')).not.toContain(directory);
});
