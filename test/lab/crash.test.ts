import { expect, test } from 'vitest';
import { run } from '../support/run.ts';

/** One in which every kind of fault comes at a moment when jobs are under way. */
const seed = '2';
const rounds = '11';

test('a host that crashes in every way keeps its promises: nothing lost, doubled, wrong or left behind', {
  timeout: 240_000,
}, async () => {
  const { status, stdout, stderr } = await run(
    ...['env', 'GEARD_CRASH_DIR=/run/geard-crash-test', 'scripts/crash.sh'],
    ...['--rounds', rounds, '--seed', seed, '--in-turn'],
  );
  expect(status, `${stdout}\n${stderr}`).toBe(0);
  expect(stdout).toMatch(new RegExp(`^rounds ${rounds}, `, 'm'));
});
