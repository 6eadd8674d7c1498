import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { cliPage } from '../../../scripts/reference/cli-page.ts';
import { commandHelps } from '../../../scripts/reference/commands.ts';
import { manPage } from '../../../scripts/reference/man-page.ts';
import { version } from '../../../src/cli/version.ts';

const helps = await commandHelps();

test('docs/cli-reference.md and contrib/man/gear.1 are what the commands say', () => {
  const how = 'npm run reference writes it again';
  expect(readFileSync('docs/cli-reference.md', 'utf8'), how).toBe(cliPage(helps));
  expect(readFileSync('contrib/man/gear.1', 'utf8'), how).toBe(manPage(helps, version));
});

test('a command of a command is listed under both of its names, and none that help does not show', () => {
  const names = helps.map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(['gear install', 'gear job cancel', 'gear host drain']));
  expect(names.filter((name) => name.includes('__'))).toEqual([]);
});

test('groff has nothing to say about the page of the manual', async () => {
  const args = ['-man', '-ww', '-z', 'contrib/man/gear.1'];
  expect(await promisify(execFile)('groff', args)).toEqual({ stdout: '', stderr: '' });
});

test('a default that differs from host to host is told in words, so that the pages are the same on each', () => {
  const worker = helps.find(({ name }) => name === 'gear worker');
  const defaultOf = (long: string) =>
    /\(default: (.*?)\)/.exec(
      worker?.options.find(({ flags }) => flags.startsWith(`${long} `))?.text ?? '',
    )?.[1];
  expect(['--host', '--max-starts', '--max-gear-memory', '--max-gear-cpus'].map(defaultOf)).toEqual([
    "the host's name",
    "the host's processors",
    "half of the host's",
    "the host's processors",
  ]);
});
