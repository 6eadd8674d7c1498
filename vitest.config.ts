import { defineConfig } from 'vitest/config';

/**
 * The tiers, one project each. Only `unit` runs anywhere; the others need what `npm test` brings up for
 * them: `nodes` the built program and the releases of Node.js that it is to run on, `redis` a
 * redis-server in PATH; `host` and `e2e` run inside a lab host, `lab` drives the lab from outside.
 */
const tier = (name: string, include: string[], testTimeout: number) => ({
  test: { name, include, testTimeout, hookTimeout: 60_000, fileParallelism: name === 'unit' },
});

export default defineConfig({
  test: {
    projects: [
      tier('unit', ['test/unit/**/*.test.ts'], 10_000),
      tier('nodes', ['test/nodes/**/*.test.ts'], 30_000),
      tier('redis', ['test/redis/**/*.test.ts'], 60_000),
      tier('host', ['test/host/**/*.test.ts'], 60_000),
      tier('e2e', ['test/e2e/**/*.test.ts'], 120_000),
      tier('lab', ['test/lab/**/*.test.ts'], 300_000),
    ],
  },
});
