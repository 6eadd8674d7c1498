import { readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { percentile } from '../../bench/table.ts';
import { productionPackages } from './packages.ts';
import type { SourceFigures } from './source.ts';
import { arrowsOf, cyclesOf, fullestFolder, readTree, type Tree } from './tree.ts';
import { walkLength } from './walk.ts';

/** One line of the table. */
export type Figure = [what: string, value: string];

/** The files that accept a job, in the layouts there have been. */
const accepting = [
  /^src\/queue\/(accept\/|accept\b|guesses|sampled|record-request|scripts\/accept)/,
  /^src\/queue\/scripts\/lua\/(accept\/|accept-at-once|claim-name|reserve-id|free-id|record-job)/,
  /^src\/queue\/scripts\/lua\/(directory\/)?(adopt-name|strike-name|insert-entry|delete-entry)\.lua/,
  /^src\/queue\/scripts\/lua\/include\/(directory|choose|claim|reserve|bound-elsewhere|record)\.lua/,
];

/** The complexity that no function is to exceed. */
export const complexityLimit = 12;

/** Everything that can be read off a tree without running it. */
export function figuresOf(root: string): Figure[] {
  const source = readTree(root, 'src');
  const { direct, all } = productionPackages(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  return [
    ...sizeFigures(source),
    ...functionFigures(source),
    ...shapeFigures(source),
    ['direct / all packages in production', `${direct} / ${all}`],
    ...testFigures(readTree(root, 'test')),
  ];
}

type Count = 'lines' | 'codeLines' | 'assertions' | 'literalSpreads' | 'expectations' | 'tests';

export const sum = (files: Iterable<SourceFigures>, what: Count) =>
  [...files].reduce((total, file) => total + file[what], 0);

function sizeFigures(source: Tree): Figure[] {
  const { folder, files } = fullestFolder(source.keys());
  const accept = [...source]
    .filter(([path]) => accepting.some((pattern) => pattern.test(path)))
    .map(([, file]) => file);
  return [
    ['files / folders', `${source.size} / ${new Set([...source.keys()].map(posix.dirname)).size}`],
    ['lines, raw', String(sum(source.values(), 'lines'))],
    ['lines of code only', String(sum(source.values(), 'codeLines'))],
    ['files in the fullest folder', `${files} (${folder})`],
    ['lines that accept a job, raw / code only', `${sum(accept, 'lines')} / ${sum(accept, 'codeLines')}`],
  ];
}

/** All functions of a tree, each with its file. */
export const functionsOf = (source: Tree) =>
  [...source].flatMap(([path, file]) => file.functions.map((one) => ({ ...one, path })));

/** Type assertions in 1,000 lines. */
export const assertionRate = (source: Tree) =>
  (1000 * sum(source.values(), 'assertions')) / sum(source.values(), 'lines');

function functionFigures(source: Tree): Figure[] {
  const functions = functionsOf(source);
  const lines = functions.map((one) => one.lines);
  const longest = functions.find((one) => one.lines === Math.max(...lines));
  const complexities = functions.map((one) => one.complexity);
  const most = functions.find((one) => one.complexity === Math.max(...complexities));
  const above = complexities.filter((complexity) => complexity > complexityLimit).length;
  return [
    ['functions', String(functions.length)],
    ['lines of a function, median / p99', `${percentile(lines, 0.5)} / ${percentile(lines, 0.99)}`],
    ['lines of the longest function', `${longest?.lines} (${longest?.name})`],
    ['highest complexity', `${most?.complexity} (${most?.name})`],
    [`functions of complexity above ${complexityLimit}`, String(above)],
  ];
}

function shapeFigures(source: Tree): Figure[] {
  const arrows = arrowsOf(source);
  const atRunTime = arrows.filter(({ typeOnly }) => !typeOnly);
  const walk = walkLength(source);
  return [
    ['`as` per 1,000 lines', assertionRate(source).toFixed(1)],
    ['literals spread into a literal', String(sum(source.values(), 'literalSpreads'))],
    ['import cycles, all / at run time', `${cyclesOf(arrows).length} / ${cyclesOf(atRunTime).length}`],
    [
      'files on the walk of `r`',
      walk === null ? 'the list in scripts/measure/walk.ts is out of date' : String(walk),
    ],
  ];
}

const testFigures = (tests: Tree): Figure[] => [
  ['tests', String(sum(tests.values(), 'tests'))],
  ['`expect(` in tests', String(sum(tests.values(), 'expectations'))],
];

/** Tables of figures side by side, as Markdown; a figure that a tree lacks is left empty. */
export function renderTable(columns: { name: string; figures: Figure[] }[]): string {
  const names = [...new Set(columns.flatMap(({ figures }) => figures.map(([what]) => what)))];
  const rows = names.map((name) => [
    name,
    ...columns.map(({ figures }) => figures.find(([what]) => what === name)?.[1] ?? ''),
  ]);
  const head = ['figure', ...columns.map(({ name }) => name)];
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |\n`).join('');
}
