import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/**
 * The tiers. Only `unit` runs anywhere; the others need what `npm test` brings up for them: `nodes` the
 * built program and the releases of Node.js that it is to run on, `redis` a redis-server in PATH; `host`
 * and `e2e` run inside a lab host, `lab` drives the lab from outside.
 *
 * `files`: how many test files run side by side. The tests of a host have it for themselves.
 *
 * `testTimeout` (milliseconds) only ends what hangs, also on a machine that is three times as slow as
 * ours: `until` says earlier what it waits for.
 */
const tier = (name: string, testTimeout: number, files = 1) => ({
  name,
  // Tiers of different numbers of files side by side come one after the other, as vitest demands.
  sequence: { groupOrder: files },
  include: [`test/${name}/**/*.test.ts`],
  testTimeout,
  hookTimeout: testTimeout,
  fileParallelism: files !== 1,
  maxWorkers: files,
  maxConcurrency: 4,
});

const processors = availableParallelism();

/** Tests that replace modules, or look at what is loaded or counted in their process. */
export const isolated = [
  'test/redis/metrics.test.ts',
  'test/unit/cli/roles/open-role.test.ts',
  'test/unit/lib/metrics/metrics.test.ts',
  'test/unit/token/watch-keys.test.ts',
  'test/unit/worker/gear/run/start-failure.test.ts',
  'test/unit/worker/journald/journal.test.ts',
  'test/unit/worker/streams/paced-body.test.ts',
];

/** A tier whose files share their modules, which saves a third of the time of short ones, except those above. */
const shared = (tests: ReturnType<typeof tier>) => {
  const apart = isolated.filter((file) => file.startsWith(`test/${tests.name}/`));
  // Not by `exclude`, which would replace that of the command line (scripts/test.sh).
  const rest = { ...tests, include: [...tests.include, ...apart.map((file) => `!${file}`)], isolate: false };
  return apart.length === 0
    ? [{ test: rest }]
    : [{ test: rest }, { test: { ...tests, name: `${tests.name}-isolated`, include: apart } }];
};

export default defineConfig({
  test: {
    projects: [
      ...shared(tier('unit', 120_000, processors)),
      { test: tier('nodes', 180_000) },
      // These wait more than they compute.
      ...shared(tier('redis', 120_000, processors + 1)),
      ...shared(tier('host', 240_000)),
      ...shared(tier('e2e', 360_000)),
      { test: tier('lab', 900_000) },
    ],
  },
});
