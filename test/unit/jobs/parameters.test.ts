import { expect, test } from 'vitest';
import { parseParameters } from '../../../src/jobs/parameters.ts';

test('a parameter counts however many pairs come before it, even empty ones', () => {
  expect(parseParameters(`r=web${'&'.repeat(8_000)}h=h1`)).toEqual({ r: 'web', h: 'h1' });
  const twice = `r=web${'&'.repeat(8_000)}r=db`;
  expect(() => parseParameters(twice)).toThrow('r is given more than once');
});
