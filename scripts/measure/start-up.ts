import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { percentile } from '../../bench/table.ts';

const runs = 20;

/**
 * Builds trees into their `dist` and takes the time of `gear --version` in each, in milliseconds: the median of 20
 * runs. The trees take turns, so that what else the machine does falls on all of them.
 */
export function startUpTimes(roots: string[]): number[] {
  for (const root of roots) build(root);
  const times = roots.map((): number[] => []);
  for (let run = 0; run < runs; run++) {
    for (const [index, root] of roots.entries()) times[index]?.push(startUpTime(root));
  }
  return times.map((those) => percentile(those, 0.5));
}

function build(root: string): void {
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  execFileSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], { cwd: root });
}

function startUpTime(root: string): number {
  const started = performance.now();
  execFileSync(process.execPath, [join(root, 'bin/gear'), '--version']);
  return performance.now() - started;
}
