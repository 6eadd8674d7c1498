import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseRequestId, requestIdOfKey } from '../../../../src/jobs/fields/request-id.ts';

test('a request id is padded to 32 lower-case hex digits and names the same request however it is written', () => {
  expect(parseRequestId('2A')).toBe(`${'0'.repeat(30)}2a`);
  fc.assert(
    fc.property(fc.stringMatching(/^[0-9a-fA-F]{1,32}$/), (text) => {
      const id = parseRequestId(text);
      expect(id).toMatch(/^[0-9a-f]{32}$/);
      expect(parseRequestId(id)).toBe(id);
      expect(BigInt(`0x${id}`)).toBe(BigInt(`0x${text}`));
    }),
  );
});

test('everything else is refused', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      fc.pre(!/^[0-9a-fA-F]{1,32}$/.test(text) || text.endsWith('\n'));
      expect(() => parseRequestId(text)).toThrow('hex');
    }),
  );
});

test('an Idempotency-Key stands for the first 16 bytes of its SHA-256', () => {
  expect(requestIdOfKey('abc')).toBe('ba7816bf8f01cfea414140de5dae2223');
  for (const bad of ['', ' a', 'a\n', 'ä', 'x'.repeat(256)])
    expect(() => requestIdOfKey(bad)).toThrow('Idempotency-Key');
});
