import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/**
 * The tiers. Only `unit` runs anywhere; the others need what `npm test` brings up for them: `nodes` the
 * built program and the releases of Node.js that it is to run on, `redis` a redis-server in PATH; `host`
 * and `e2e` run inside a lab host, `lab` drives the lab from outside.
 *
 * `files`: how many test files run side by side. The tests of a host have it for themselves.
 */
const tier = (name: string, testTimeout: number, files = 1) => ({
  name,
  include: [`test/${name}/**/*.test.ts`],
  testTimeout,
  hookTimeout: 60_000,
  fileParallelism: files !== 1,
  maxWorkers: files,
  maxConcurrency: 4,
});

const processors = availableParallelism();

/** Unit tests that replace modules, or look at which ones are loaded. The others share theirs, which is faster. */
export const isolated = [
  'test/unit/cli/roles/open-role.test.ts',
  'test/unit/lib/metrics/metrics.test.ts',
  'test/unit/token/watch-keys.test.ts',
  'test/unit/worker/gear/run/start-failure.test.ts',
  'test/unit/worker/streams/paced-body.test.ts',
];

const unit = tier('unit', 10_000, processors);

export default defineConfig({
  test: {
    projects: [
      { test: { ...unit, exclude: isolated, isolate: false } },
      { test: { ...unit, name: 'unit-isolated', include: isolated } },
      { test: tier('nodes', 30_000) },
      // These wait more than they compute.
      { test: tier('redis', 60_000, processors + 1) },
      { test: tier('host', 60_000) },
      { test: tier('e2e', 120_000) },
      { test: tier('lab', 300_000) },
    ],
  },
});
