import fc from 'fast-check';
import { expect, test } from 'vitest';
import { environmentVariables } from '../../../../src/jobs/types/environment.ts';
import {
  fitsEnvFile,
  mergeVariables,
  parseEnvFile,
  renderEnvFile,
} from '../../../../src/worker/domain/env-file.ts';

const variable = fc.record({
  name: fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,8}$/),
  value: fc.oneof(
    fc.string({ unit: 'grapheme' }),
    fc.constantFrom('a\nb', '\r', 'x\r', '"', "'", '$HOME', '%n', 'a=b', '# no comment', ' x ', '🦊', ''),
  ),
});
const variables = fc
  .uniqueArray(variable, { selector: ({ name }) => name, maxLength: 8 })
  .map((all) => environmentVariables.safeParse(all))
  .filter(({ success }) => success)
  .map(({ data }) => data ?? []);

test('an environment is read back from its file as it was written', () => {
  fc.assert(
    fc.property(variables, (env) => {
      expect(parseEnvFile(renderEnvFile(env))).toEqual(env);
    }),
  );
});

test('every line that Docker would read is a variable it can carry', () => {
  fc.assert(
    fc.property(variables, (env) => {
      const lines = renderEnvFile(env)
        .split('\n')
        .filter((line) => line !== '' && !line.startsWith('#'));
      expect(lines).toEqual(env.filter(fitsEnvFile).map(({ name, value }) => `${name}=${value}`));
    }),
  );
});

test('values with line breaks and very long ones are not for the env file', () => {
  const can = (value: string) => fitsEnvFile({ name: 'A', value });
  expect(['', ' x ', '"', '$x', '🦊'.repeat(2000)].map(can)).toEqual(Array(5).fill(true));
  expect(['a\nb', 'a\r', 'x'.repeat(65_536)].map(can)).toEqual(Array(3).fill(false));
});

test('merging changes what is there in its place and adds the rest', () => {
  const merged = mergeVariables(
    [
      { name: 'A', value: '1' },
      { name: 'B', value: '2' },
    ],
    [
      { name: 'C', value: '3' },
      { name: 'A', value: '4' },
    ],
  );
  expect(merged.map(({ name, value }) => name + value)).toEqual(['A4', 'B2', 'C3']);
});

test.each(['1A', 'A-B', '', 'A B', 'A=B', 'Ä'])('%j is no name of a variable', (name) => {
  expect(environmentVariables.safeParse([{ name, value: '' }]).success).toBe(false);
});

test('a value holds no NUL and is whole Unicode', () => {
  expect(environmentVariables.safeParse([{ name: 'A', value: '\0' }]).success).toBe(false);
  expect(environmentVariables.safeParse([{ name: 'A', value: '\ud800' }]).success).toBe(false);
});
