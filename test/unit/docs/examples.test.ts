import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { optionTable } from '../../../src/cli/options/options.ts';

const pages = ['README.md', 'CONTRIBUTING.md', ...readdirSync('docs').map((name) => `docs/${name}`)].filter(
  (name) => name.endsWith('.md'),
);

const accepts = (option: { schema: { safeParse(text: string): { success: boolean } } }, text: string) =>
  option.schema.safeParse(text).success;
/** Options that refuse a path from the working directory. */
const ofPlaces = Object.values(optionTable).filter(
  (one) => accepts(one, '/some/file') && !accepts(one, 'some/file'),
);

/** The values that the command lines of a page give to an option, as a shell in /home/me passes them. */
function valuesOf(flag: string, page: string): string[] {
  const lines = readFileSync(page, 'utf8').split('\n');
  const commands = lines.filter((line) => /^(?: {4}|\$ )?(?:\w+\/)*gear /.test(line));
  const given = commands.flatMap((line) => [...line.matchAll(new RegExp(` ${flag} (\\S+)`, 'g'))]);
  // DIR is the reader's own directory.
  return given.map(([, value = '']) =>
    value.replaceAll('"', '').replace('$PWD', '/home/me').replace(/^DIR$/, '/dir'),
  );
}

test('the paths of the examples are accepted by the options that they are given to', () => {
  expect(ofPlaces.map(({ flag }) => flag)).toEqual(
    expect.arrayContaining(['--keys', '--redis-ca', '--base']),
  );
  const all = ofPlaces.flatMap((option) =>
    pages.flatMap((page) => valuesOf(option.flag, page).map((value) => ({ option, page, value }))),
  );
  expect(all.length).toBeGreaterThan(10);
  const refused = all.filter(({ option, value }) => !accepts(option, value));
  expect(refused.map(({ option, page, value }) => `${page}: ${option.flag} ${value}`)).toEqual([]);
});
