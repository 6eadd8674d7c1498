import { beforeAll, expect, test } from 'vitest';
import { type KeySource, noKeys } from '../../../src/token/keyring.ts';
import { createSealer, type Purpose } from '../../../src/token/seal.ts';
import { makeDaemon, makeTrust, ringOf, type Trust } from '../../support/tokens.ts';

let trust: Trust;
let token: string;
beforeAll(async () => {
  trust = await makeTrust();
  token = await trust.mint();
});

const sealer = (keys: KeySource = () => trust.ring, testToken = false) => createSealer(keys, testToken);
const h1: Purpose = { use: 'job', host: 'h1', job: '2a' };
const content = { token: 'secret', list: [1, 'ü'] };

test('what an api seals for a host that host opens, in another process', () => {
  const sealed = sealer().seal(content, token, h1);
  expect(sealed).not.toContain('secret');
  expect(Buffer.from(sealed.split('.').at(-1) ?? '', 'base64url').toString('latin1')).not.toContain('secret');
  expect(sealer().open(sealed, h1)).toEqual(content);
});

test('another host cannot open it, nor a process with other keys', async () => {
  const sealed = sealer().seal(content, token, h1);
  expect(sealer().open(sealed, { ...h1, host: 'h2' })).toBeNull();
  const others = ringOf([], [await makeDaemon('daemon')]);
  expect(sealer(() => others).open(sealed, h1)).toBeNull();
  expect(sealer(noKeys, true).open(sealed, h1)).toBeNull();
});

test('what was sealed for one purpose is opened for no other', () => {
  const sealed = sealer().seal(content, token, h1);
  const plain = sealer(noKeys, true).seal(content, '__test__', h1);
  const others: Purpose[] = [
    { ...h1, job: '2b' },
    { use: 'job', host: 'h1' },
    { ...h1, use: 'cancel' },
    { use: 'answer', host: 'h1' },
    { use: 'copy', host: 'h1' },
    { ...h1, request: 'x' },
  ];
  for (const other of others) {
    expect(sealer().open(sealed, other)).toBeNull();
    expect(sealer(noKeys, true).open(plain, other)).toBeNull();
  }
});

test('without a key nothing is sealed, and nothing goes out unsealed, unless only the test token is taken (security M10)', () => {
  expect(() => sealer(noKeys).seal(content, token, h1)).toThrow('needs a valid token');
});

test('an altered one is not opened, wherever it was altered', () => {
  const sealed = sealer().seal(content, token, h1);
  const parts = sealed.split('.');
  for (const [i, part] of parts.entries()) {
    const first = part.startsWith('A') ? 'B' : 'A';
    const altered = parts.with(i, first + part.slice(1)).join('.');
    expect(sealer().open(altered, h1)).toBeNull();
    expect(sealer().open(parts.slice(0, i).join('.'), h1)).toBeNull();
  }
});

test('two seals of the same are different texts', () => {
  const one = sealer();
  expect(one.seal(content, token, h1)).not.toBe(one.seal(content, token, h1));
});

test('what is not sealed at all is opened only where the test token is taken', () => {
  const plain = sealer(noKeys, true).seal(content, '__test__', h1);
  expect(sealer(noKeys, true).open(plain, h1)).toEqual(content);
  expect(sealer().open(plain, h1)).toBeNull();
});

test('with keys at hand the test token is sealed like any other', () => {
  const sealed = sealer(() => trust.ring, true).seal(content, '__test__', h1);
  expect(sealed.startsWith('1.')).toBe(true);
  expect(sealer().open(sealed, h1)).toEqual(content);
});
