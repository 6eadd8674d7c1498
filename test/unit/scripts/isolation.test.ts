import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { isolated } from '../../../vitest.config.ts';

test('every test that replaces modules is isolated: the others would get its modules', () => {
  const files = readdirSync('test', { recursive: true, encoding: 'utf8' });
  const tests = files.map((file) => `test/${file}`).filter((file) => file.endsWith('.test.ts'));
  expect(tests).toEqual(expect.arrayContaining(isolated));
  const replaces = (file: string) => /\bvi\.(?:mock|doMock|resetModules)\(/.test(readFileSync(file, 'utf8'));
  expect(tests.filter((file) => replaces(file) && !isolated.includes(file))).toEqual([]);
});
