import { randomBytes } from 'node:crypto';
import { beforeAll, expect, test } from 'vitest';
import { type KeySource, noKeys } from '../../../src/token/keyring.ts';
import { createSealer } from '../../../src/token/seal.ts';
import { makeDaemon, makeTrust, ringOf, type Trust } from '../../support/tokens.ts';

let trust: Trust;
let token: string;
beforeAll(async () => {
  trust = await makeTrust();
  token = await trust.mint();
});

const sealer = (keys: KeySource = () => trust.ring, testToken = false) => createSealer(keys, testToken);

/** Bytes as they come in pieces of a size. */
async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function collect(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const seal = (bytes: Buffer, size = 50_000) =>
  collect(sealer().sealStream(inPieces(bytes, size), token, 'copy a'));
const open = (sealed: Buffer, size = 9_973, about = 'copy a') =>
  collect(sealer().openStream(inPieces(sealed, size), about));

test.each([0, 1, 65_535, 65_536, 65_537, 1_000_000])('%i bytes come out as they went in', async (size) => {
  const bytes = randomBytes(size);
  for (const pieces of [1_000, 200_000]) {
    const sealed = await seal(bytes, pieces);
    for (const parts of [997, 70_000, 2_000_000])
      expect((await open(sealed, parts)).equals(bytes)).toBe(true);
  }
});

test('what was sealed says nothing, and never the same', async () => {
  const bytes = Buffer.from('secret'.repeat(10_000));
  const sealed = await seal(bytes);
  expect(sealed.includes('secret')).toBe(false);
  expect((await seal(bytes)).equals(sealed)).toBe(false);
});

test('a stream that was changed anywhere, cut short or went on is not taken for whole', async () => {
  const sealed = await seal(randomBytes(300), 100);
  for (let at = 0; at < sealed.length; at++) {
    const altered = Buffer.from(sealed);
    altered[at] = (altered[at] ?? 0) ^ 1;
    await expect(open(altered)).rejects.toThrow('not sealed');
    await expect(open(sealed.subarray(0, at))).rejects.toThrow('not sealed');
  }
  await expect(open(Buffer.concat([sealed, Buffer.alloc(1)]))).rejects.toThrow('not sealed');
  await expect(open(Buffer.concat([sealed, sealed.subarray(-20)]))).rejects.toThrow('not sealed');
});

test('pieces that were exchanged or left out are noticed', async () => {
  const sealed = await seal(randomBytes(300), 100);
  const piece = 4 + 100 + 16;
  const begin = sealed.length - 3 * piece - 20;
  const [first, second] = [0, 1].map((n) => sealed.subarray(begin + n * piece, begin + (n + 1) * piece));
  const [before, after] = [sealed.subarray(0, begin), sealed.subarray(begin + 2 * piece)];
  const made = (...pieces: (Buffer | undefined)[]) => Buffer.concat([before, ...(pieces as Buffer[]), after]);
  expect((await open(made(first, second))).length).toBe(300);
  await expect(open(made(second, first))).rejects.toThrow('not sealed');
  await expect(open(made(first))).rejects.toThrow('not sealed');
  await expect(open(made(first, first, second))).rejects.toThrow('not sealed');
});

test('another copy, or one that others have sealed, is not taken for it', async () => {
  const sealed = await seal(randomBytes(300));
  await expect(open(sealed, 100, 'copy b')).rejects.toThrow('not sealed');
  const strangers = ringOf([], [await makeDaemon('daemon')]);
  const foreign = await collect(
    sealer(() => strangers).sealStream(inPieces(randomBytes(300), 100), token, 'copy a'),
  );
  await expect(open(foreign)).rejects.toThrow('not sealed');
  await expect(open(Buffer.from('# v2 git bundle\n'.repeat(20)))).rejects.toThrow('not sealed');
});

test('where only the test token is taken nothing is sealed, and nowhere else is that taken', async () => {
  const bytes = randomBytes(300);
  const plain = await collect(sealer(noKeys, true).sealStream(inPieces(bytes, 100), '__test__', 'copy a'));
  expect(plain.equals(bytes)).toBe(true);
  expect((await collect(sealer(noKeys, true).openStream(inPieces(plain, 7), 'x'))).equals(bytes)).toBe(true);
  await expect(open(plain)).rejects.toThrow('not sealed');
});
