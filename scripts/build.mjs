// npm run build: compiles src to dist. It builds beside dist and then takes its place, so that a program or a test that runs
// from dist meanwhile goes on, and so that nothing of an earlier build stays.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const cache = 'node_modules/.cache';
mkdirSync(cache, { recursive: true });
const work = mkdtempSync(join(cache, 'build-'));
try {
  const built = join(work, 'dist');
  const compile = ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json', '--outDir', built];
  execFileSync(process.execPath, compile, { stdio: 'inherit' });
  cpSync('src/queue/scripts/lua', join(built, 'queue/scripts/lua'), { recursive: true });
  if (existsSync('dist')) renameSync('dist', join(work, 'old'));
  renameSync(built, 'dist');
} catch (error) {
  process.exitCode = error.status ?? 1;
  if (error.status === undefined) console.error(error.message);
} finally {
  rmSync(work, { recursive: true, force: true });
}
