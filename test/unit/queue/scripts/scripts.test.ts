import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { loadScript } from '../../../../src/queue/scripts/load-script.ts';

const directory = 'src/queue/scripts/lua';
const files = readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter(
  (path) => path.endsWith('.lua') && !path.startsWith('include/'),
);
const read = (file: string) => readFileSync(`${directory}/${file}`, 'utf8');

test.each(files)('%s says in its head what it is given and what it replies', (file) => {
  const head = read(file)
    .split('\n')
    .filter((line) => line.startsWith('-- '));
  expect(head.some((line) => line.startsWith('-- KEYS '))).toBe(true);
  if (read(file).includes('ARGV')) expect(head.some((line) => line.startsWith('-- ARGV '))).toBe(true);
  if (/^return \S/m.test(read(file))) expect(head.some((line) => line.startsWith('-- RETURNS '))).toBe(true);
});

test.each(files)('%s has what it includes in front of what uses it, once', (file) => {
  const text = loadScript(file);
  expect(text).not.toContain('@include');
  const functions = [...text.matchAll(/^local function (\w+)/gm)].map(([, name]) => name);
  expect(new Set(functions).size).toBe(functions.length);
});

test('every include is used by a script', () => {
  const includes = readdirSync(`${directory}/include`);
  const used = [...files, ...includes.map((name) => `include/${name}`)].flatMap((file) =>
    [...read(file).matchAll(/@include "include\/(.+)"/g)].map(([, name]) => name),
  );
  expect(includes.filter((name) => !used.includes(name))).toEqual([]);
});
