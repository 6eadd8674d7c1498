import { expect, test } from 'vitest';
import { authorize } from '../../src/token/authorize.ts';
import { createVerifier, testToken } from '../../src/token/claims.ts';

test('a claim fixes its parameter, what is open comes from the request, a contradiction is refused', () => {
  expect(authorize({ r: 'web', d: 1 }, { u: '0' })).toEqual({ u: '0', r: 'web', d: '1' });
  expect(authorize({ r: 'web' }, { r: 'web' })).toEqual({ r: 'web' });
  expect(() => authorize({ r: 'web' }, { r: 'db' })).toThrow('the token fixes r');
});

test('the test token is valid only where it was allowed, and every other token is not', () => {
  expect(createVerifier({ testToken: true })(testToken)).toEqual({});
  expect(createVerifier({ testToken: false })(testToken)).toBeNull();
  for (const token of ['', '__test', '__TEST__', '__proto__'])
    expect(createVerifier({ testToken: true })(token)).toBeNull();
});
