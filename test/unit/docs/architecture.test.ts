import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { measureSource } from '../../../scripts/measure/source.ts';
import { fullestFolder, readTree } from '../../../scripts/measure/tree.ts';
import { drawFolders, folderArrows } from '../../../scripts/picture/folders.ts';
import { withPicture } from '../../../scripts/picture/page.ts';

const page = readFileSync('docs/architecture.md', 'utf8');

const folders = readdirSync('src');

const linterRules = z.object({
  overrides: z.array(
    z.object({
      includes: z.array(z.string()),
      linter: z.object({
        rules: z.object({
          style: z
            .object({
              noRestrictedImports: z
                .object({
                  options: z.object({
                    patterns: z.array(z.object({ group: z.array(z.string()) })).default([]),
                  }),
                })
                .optional(),
            })
            .optional(),
        }),
      }),
    }),
  ),
});

/** The folders that the linter lets a folder of src import, besides itself; null where it has no rule for it. */
function allowedBy(linter: z.infer<typeof linterRules>, folder: string): string[] | null {
  const override = linter.overrides.find(
    ({ includes }) => includes.length === 1 && includes[0] === `src/${folder}/**`,
  );
  const rule = override?.linter.rules.style?.noRestrictedImports;
  if (!rule) return null;
  const forbidden = rule.options.patterns.flatMap(({ group }) => group);
  return folders.filter((other) => other !== folder && !forbidden.includes(`**/${other}/**`)).sort();
}

/** The last column of a folder's row in the table of folders. */
function allowedByTable(folder: string): string[] | null {
  const [, cell] = new RegExp(`^\\| \`src/${folder}\` \\| .* \\| ([^|]+) \\|$`, 'm').exec(page) ?? [];
  if (cell === undefined) return null;
  if (cell === 'nothing of ours') return [];
  if (cell === 'all') return folders.filter((other) => other !== folder).sort();
  return cell.split(', ').sort();
}

test('the table of folders states the imports that the linter allows', () => {
  const linter = linterRules.parse(JSON.parse(readFileSync('biome.json', 'utf8')));
  const rules = folders.map((folder) => [folder, allowedBy(linter, folder)]);
  expect(folders.map((folder) => [folder, allowedByTable(folder)])).toEqual(rules);
  expect(rules.map(([, allowed]) => allowed)).not.toContain(null);
});

test('a request takes the eight forms of the table, and the file of each exports its type', () => {
  const rows = page.split('\n').filter((line) => /^\| \d \|/.test(line));
  const forms = rows.map((row) => row.split('|').map((cell) => cell.replaceAll('`', '').trim()));
  expect(forms.map(([, number]) => Number(number))).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  const types = forms.filter(([, , , type, file]) => file !== '' && !type?.startsWith('a '));
  expect(types.length).toBe(5);
  for (const [, , , type, file = ''] of types)
    expect(readFileSync(file, 'utf8')).toMatch(new RegExp(`^export (?:type|interface) ${type}\\b`, 'm'));
});

test('the picture in docs/architecture.md shows the imports in the code', () => {
  const picture = drawFolders(folderArrows(readTree('.', 'src')));
  expect(page, 'the picture is out of date; "npm run picture" updates it').toBe(withPicture(page, picture));
});

test('an arrow is dotted where only types are imported, and a folder has none to itself', () => {
  const tree = new Map([
    ['src/api/a.ts', measureSource('a.ts', "import type { B } from '../jobs/b.ts'; import './c.ts';")],
    ['src/api/d/e.ts', measureSource('e.ts', "import type { B } from '../../jobs/b.ts';")],
    ['src/cli/f.ts', measureSource('f.ts', "import { B } from '../jobs/b.ts'; import '../api/a.ts';")],
  ]);
  expect(drawFolders(folderArrows(tree))).toBe(
    '```mermaid\ngraph TD\n  api -.-> jobs\n  cli --> api & jobs\n```\n',
  );
});

test('a page without markers gets no picture', () => {
  expect(() => withPicture('# Architecture\n', 'picture')).toThrow(/has no line <!-- picture: begin/);
});

test('no folder of src has more than ten files of its own', () => {
  const entries = readdirSync('src', { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => `${parentPath}/${name}`);
  const { folder, files } = fullestFolder(paths);
  expect(files, folder).toBeLessThanOrEqual(10);
});
