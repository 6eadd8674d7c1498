// npm run build: compiles src to dist, and writes what a shell completes from the commands in it. It builds beside dist and
// then takes its place, so that dist is never half a build, is there while it is built again, and holds nothing of an earlier one.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const work = mkdtempSync('.dist-');
const [built, old] = [join(work, 'new'), join(work, 'old')];
try {
  const compile = ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json', '--outDir', built];
  execFileSync(process.execPath, compile, { stdio: 'inherit' });
  cpSync('src/queue/scripts/lua', join(built, 'queue/scripts/lua'), { recursive: true });
  // The program reads its version two directories above itself.
  cpSync('package.json', join(work, 'package.json'));
  const ofBuilt = (path) => import(resolve(built, 'cli', path));
  const [{ createProgram }, { collectWords }] = await Promise.all(
    ['program.js', 'completion/collect-words.js'].map(ofBuilt),
  );
  const words = JSON.stringify(collectWords(await createProgram()));
  writeFileSync(join(built, 'cli/completion/words.json'), words);
  if (existsSync('dist')) renameSync('dist', old);
  renameSync(built, 'dist');
} catch (error) {
  process.exitCode = error.status ?? 1;
  if (error.status === undefined) console.error(error.message);
} finally {
  if (!existsSync('dist') && existsSync(old)) renameSync(old, 'dist');
  rmSync(work, { recursive: true, force: true });
}
