import { availableParallelism, loadavg } from 'node:os';
import { expect, test } from 'vitest';
import { run } from '../support/run.ts';

/** One in which every kind of fault comes at a moment when jobs are under way. */
const seed = '3';
const rounds = '11';
/** What it may take from the first boot to the last, on a machine that has nothing else to do. */
const mostSeconds = 90;

test('a host that crashes in every way keeps its promises: nothing lost, doubled, wrong or left behind', {
  timeout: 240_000,
}, async () => {
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
