import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { isolated } from '../../../vitest.config.ts';
import { ok } from '../../support/run.ts';

test('every test that replaces modules is isolated: the others would get its modules', () => {
  const files = readdirSync('test', { recursive: true, encoding: 'utf8' });
  const tests = files.map((file) => `test/${file}`).filter((file) => file.endsWith('.test.ts'));
  expect(tests).toEqual(expect.arrayContaining(isolated));
  const replaces = (file: string) => /\bvi\.(?:mock|doMock|resetModules)\(/.test(readFileSync(file, 'utf8'));
  expect(tests.filter((file) => replaces(file) && !isolated.includes(file))).toEqual([]);
});

test('a file that the command line excludes runs in no project', async () => {
  const list = [
    'node_modules/vitest/vitest.mjs',
    'list',
    '--filesOnly',
    '--exclude=test/host/faults.test.ts',
  ];
  const listed = await ok(process.execPath, ...list, '--project', 'host*');
  expect(listed).toContain('test/host/engine.test.ts');
  expect(listed).not.toContain('faults');
});
