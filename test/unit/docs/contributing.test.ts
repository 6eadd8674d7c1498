import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { run } from '../../support/run.ts';
import { applyChange, changesIn } from '../../support/worked-examples.ts';

const page = readFileSync('CONTRIBUTING.md', 'utf8');

/** What a copy for examples leaves out: packages, what is built, and history. */
const notCopied = new Set(['node_modules', 'dist', 'coverage', 'fleet', '.git']);

/** A copy of the project in a directory of its own, with the packages of this one. */
function copyOfProject(): string {
  const copy = mkdtempSync(join(tmpdir(), 'geard-examples-'));
  onTestFinished(() => rmSync(copy, { recursive: true }));
  for (const name of readdirSync('.')) {
    if (!notCopied.has(name) && !name.startsWith('.dist-'))
      cpSync(name, join(copy, name), { recursive: true });
  }
  symlinkSync(resolve('node_modules'), join(copy, 'node_modules'));
  return copy;
}

/** Runs a program of a package in the copy; returns its output where it fails, else nothing. */
async function complaints(copy: string, program: string, ...args: string[]): Promise<string> {
  const command = [process.execPath, join(copy, 'node_modules', program), ...args];
  const { status, stdout, stderr } = await run('env', '-C', copy, ...command);
  return status === 0 ? '' : stdout + stderr;
}

test('the worked examples of CONTRIBUTING.md apply, compile, and pass the tests that the page names', async () => {
  const copy = copyOfProject();
  const changes = changesIn(page);
  expect(changes.map(({ path }) => path)).toContain('src/jobs/errors.ts');
  for (const change of changes) applyChange(copy, change);
  expect(await complaints(copy, 'typescript/bin/tsc', '-p', 'tsconfig.build.json', '--noEmit')).toBe('');
  const tests = [...page.matchAll(/\(`(test\/unit\/[\w/-]+\.test\.ts)`\)/g)].map(([, path = '']) => path);
  expect(tests.length).toBeGreaterThan(0);
  expect(await complaints(copy, 'vitest/vitest.mjs', 'run', '--project', 'unit*', ...tests)).toBe('');
});

test('every path that CONTRIBUTING.md names is there', () => {
  const paths = [...page.matchAll(/`((?:src|test|docs)\/[^`\s]*)`/g)].map(([, path = '']) => path);
  expect(paths.length).toBeGreaterThan(0);
  expect(paths.filter((path) => !existsSync(path))).toEqual([]);
});

test('an example that does not fit its file says where', () => {
  const [change] = changesIn('```diff LICENSE\n no such line\n+another\n```\n');
  expect(change).toEqual({ path: 'LICENSE', hunks: [[' no such line', '+another']] });
  expect(() => applyChange('.', change ?? { path: '', hunks: [] })).toThrow(
    /^LICENSE has 0 places instead of one that read:\nno such line$/,
  );
});
