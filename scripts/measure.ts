/**
 * npm run measure: prints figures of the working tree as a table in Markdown. With a commit or a directory as its
 * argument, it prints those of that beside them: npm run measure -- f24b430. It builds the trees, to time their start.
 * A commit is unpacked into a temporary directory and uses the packages of this tree; a directory uses its own.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type Figure, figuresOf, renderTable } from './measure/figures.ts';
import { startUpTimes } from './measure/start-up.ts';

const [other, ...rest] = process.argv.slice(2);
if (rest.length > 0 || other?.startsWith('-')) {
  process.stderr.write('npm run measure takes one commit or one directory, or nothing\n');
  process.exit(2);
}

function unpack(commit: string, into: string): string {
  const archive = join(into, 'tree.tar');
  execFileSync('git', ['archive', '--output', archive, commit]);
  execFileSync('tar', ['-xf', archive, '-C', into]);
  symlinkSync(resolve('node_modules'), join(into, 'node_modules'));
  return into;
}

const scratch = mkdtempSync(join(tmpdir(), 'geard-measure-'));
try {
  const trees = [{ name: 'working tree', root: process.cwd() }];
  if (other !== undefined)
    trees.unshift({ name: other, root: existsSync(other) ? resolve(other) : unpack(other, scratch) });
  const times = startUpTimes(trees.map(({ root }) => root));
  const columns = trees.map(({ name, root }, index) => {
    const startUp: Figure = ['`gear --version`, median of 20, ms', (times[index] ?? 0).toFixed(0)];
    return { name, figures: [...figuresOf(root), startUp] };
  });
  process.stdout.write(renderTable(columns));
} finally {
  rmSync(scratch, { recursive: true });
}
