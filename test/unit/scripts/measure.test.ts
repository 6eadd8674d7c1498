import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { percentile } from '../../../bench/table.ts';
import {
  assertionRate,
  complexityLimit,
  functionsOf,
  renderTable,
} from '../../../scripts/measure/figures.ts';
import { productionPackages } from '../../../scripts/measure/packages.ts';
import { measureLua, measureSource } from '../../../scripts/measure/source.ts';
import { arrowsOf, cyclesOf, fullestFolder, readTree, type Tree } from '../../../scripts/measure/tree.ts';
import { missingOnWalk } from '../../../scripts/measure/walk.ts';

const measure = (text: string) => measureSource('some.ts', text);

test('lines of code are those that hold more than blanks and comments', () => {
  const text = "/**\n * What it is.\n */\nconst a = 1; // one\n\nconst b = '// no comment'; /* two\n */\n";
  expect(measure(text)).toMatchObject({ lines: 7, codeLines: 2 });
  expect(measureLua('-- Adds.\n\nlocal a = 1 -- one\n')).toMatchObject({ lines: 3, codeLines: 1 });
});

test('a function has a name by its declaration, its variable, its property or its method', () => {
  const text = `function a() {}
const b = () => 1;
const c = { d() {}, e: () => 2, 'f-g': function () {} };
[1].map((n) => n);
class H {
  i() {
    return 1;
  }
}`;
  const { functions } = measure(text);
  expect(functions.map(({ name, line, lines }) => [name, line, lines])).toEqual([
    ['a', 1, 1],
    ['b', 2, 1],
    ['d', 3, 1],
    ['e', 3, 1],
    ['f-g', 3, 1],
    ['i', 6, 3],
  ]);
});

test('complexity counts branches; callbacks count to their function, named functions for themselves', () => {
  const text = `function outer(a, b) {
  if (a && b) return a ? 1 : 2;
  for (const one of a) one ?? b;
  switch (b) { case 1: case 2: default: }
  try { a.map((x) => x || 1); } catch {}
  const inner = () => (a ? 1 : 2);
}`;
  const complexity = Object.fromEntries(measure(text).functions.map((one) => [one.name, one.complexity]));
  expect(complexity).toEqual({ outer: 10, inner: 2 });
});

test('type assertions are counted without `as const`', () => {
  expect(measure('const a = [1] as const; const b = a as unknown as string;').assertions).toBe(2);
});

test('a spread counts where it spreads a literal', () => {
  const text = 'const a = [...[1], ...b, ...[1].map(f)]; const c = { ...{ d }, ...(e && { g }), ...h };';
  expect(measure(text).literalSpreads).toBe(2);
});

test('an import or a re-export is of types only when nothing of it is left at run time', () => {
  const text = `import type { A } from './a.ts';
import { type B } from './b.ts';
import { type C, d } from './c.ts';
export { type E } from './e.ts';
export * from './f.ts';
import './g.ts';`;
  expect(measure(text).imports).toEqual([
    { from: './a.ts', typeOnly: true },
    { from: './b.ts', typeOnly: true },
    { from: './c.ts', typeOnly: false },
    { from: './e.ts', typeOnly: true },
    { from: './f.ts', typeOnly: false },
    { from: './g.ts', typeOnly: false },
  ]);
});

test('tests and expectations are counted where they are called, not where they are spoken of', () => {
  const text = `test('a', () => expect(1).toBe(1));
test.each([1])('b %s', async (n) => { await expect(n).resolves.toBe(1); });
test.skipIf(true)(\`c\`, () => {});
const text = "test('d', () => expect(1))"; // expect(1)`;
  expect(measure(text)).toMatchObject({ tests: 3, expectations: 2 });
});

test('a file that does not parse is named', () => {
  expect(() => measureSource('broken.ts', 'const = 1')).toThrow(/^broken\.ts: /);
});

test('the files of installed packages belong to no tree', () => {
  const root = mkdtempSync(join(tmpdir(), 'geard-measure-'));
  onTestFinished(() => rmSync(root, { recursive: true }));
  mkdirSync(join(root, 'test/client/node_modules/some'), { recursive: true });
  for (const file of ['test/a.test.ts', 'test/client/node_modules/some/b.test.ts'])
    writeFileSync(join(root, file), "test('a', () => {});\n");
  expect([...readTree(root, 'test').keys()]).toEqual(['test/a.test.ts']);
});

test('a cycle is counted once however many ways lead round, and a chain is none', () => {
  const arrow = (file: string, to: string) => ({ file, to });
  const chain = [arrow('a', 'b'), arrow('b', 'c'), arrow('a', 'c')];
  expect(cyclesOf(chain)).toEqual([]);
  const cycle = [...chain, arrow('c', 'a'), arrow('c', 'b')];
  expect(cyclesOf([...cycle, arrow('c', 'd'), arrow('d', 'e'), arrow('e', 'd')])).toEqual([
    ['d', 'e'],
    ['a', 'b', 'c'],
  ]);
});

test('an arrow goes from a file to the one it imports, packages apart', () => {
  const source = measure("import { a } from '../lib/a.ts';\nimport { z } from 'zod';");
  expect(arrowsOf(new Map([['src/api/b.ts', source]]))).toMatchObject([
    { file: 'src/api/b.ts', to: 'src/lib/a.ts', typeOnly: false },
  ]);
});

test('the fullest folder is the one with the most files of its own', () => {
  const paths = ['a/1.ts', 'a/b/1.ts', 'a/b/2.ts', 'a/b/c/1.ts'];
  expect(fullestFolder(paths)).toEqual({ folder: 'a/b', files: 2 });
});

test('a percentile is one of the values', () => {
  expect([percentile([4, 1, 3, 2], 0.5), percentile([4, 1, 3, 2], 0.99), percentile([], 0.5)]).toEqual([
    2, 4, 0,
  ]);
});

test('packages for development and optional ones are none of production', () => {
  const packages = {
    '': { dependencies: { express: '1.0.0' } },
    'node_modules/express': {},
    'node_modules/express/node_modules/ms': {},
    'node_modules/vitest': { dev: true },
    'node_modules/fsevents': { optional: true },
  };
  expect(productionPackages(JSON.stringify({ packages }))).toEqual({ direct: 1, all: 2 });
});

test('figures stand side by side, and one that a tree lacks is left empty', () => {
  const then = { name: 'then', figures: [['files', '2']] as [string, string][] };
  const now = {
    name: 'now',
    figures: [
      ['files', '1'],
      ['tests', '3'],
    ] as [string, string][],
  };
  expect(renderTable([then, now])).toBe(
    '| figure | then | now |\n| --- | --- | --- |\n| files | 2 | 1 |\n| tests |  | 3 |\n',
  );
});

describe('the source', () => {
  let source: Tree;
  beforeAll(() => {
    source = readTree('.', 'src');
  });

  test('has every file on the walk of `r`', () => {
    expect(missingOnWalk(source), 'update scripts/measure/walk.ts').toEqual([]);
  });

  test('keeps the limits of docs/architecture.md', () => {
    const functions = functionsOf(source);
    expect(functions.filter(({ lines, complexity }) => lines > 80 || complexity > complexityLimit)).toEqual(
      [],
    );
    const lines = functions.map((one) => one.lines);
    expect(percentile(lines, 0.99)).toBeLessThanOrEqual(50);
    expect(assertionRate(source)).toBeLessThanOrEqual(4);
    const spreading = [...source].filter(([, { literalSpreads }]) => literalSpreads > 0);
    expect(spreading.map(([path]) => path)).toEqual([]);
    expect(fullestFolder(source.keys()).files).toBeLessThanOrEqual(10);
    expect(cyclesOf(arrowsOf(source))).toEqual([]);
  });
});
