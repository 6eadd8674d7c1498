import { createCipheriv, createHash, createPublicKey, subtle } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type CryptoKey, compactDecrypt, importJWK } from 'jose';
import { beforeAll, expect, test } from 'vitest';
import { agreement, encryption, signing } from '../../src/token/format.ts';
import { createVerifier } from '../../src/token/verifier.ts';
import { lifetimes, makeTrust, type Trust } from '../support/tokens.ts';

/**
 * Project Wycheproof's vectors for the two algorithms of a token, on the ways by which the token's own code comes to
 * them: its keys are read by jose and used through Web Crypto. scripts/lib/prepare.sh fetches the vectors.
 */
const vectors = (file: string) =>
  JSON.parse(
    readFileSync(
      `node_modules/.cache/wycheproof/usr/share/gocode/src/github.com/cloudflare/circl/${file}`,
      'utf8',
    ),
  );

interface SignatureGroup {
  jwk: { x: string };
  tests: { tcId: number; comment: string; msg: string; sig: string; result: string }[];
}

interface Agreement {
  tcId: number;
  comment: string;
  public: string;
  private: string;
  shared: string;
  result: 'valid' | 'acceptable' | 'invalid';
}

const hex = (text: string) => Buffer.from(text, 'hex');
const base64url = (bytes: Buffer) => bytes.toString('base64url');

let trust: Trust;
beforeAll(async () => {
  trust = await makeTrust();
});

test("a signature counts exactly where Wycheproof's vectors for Ed25519 say so", async () => {
  const { numberOfTests, testGroups } = vectors('sign/ed25519/testdata/wycheproof_Ed25519.json') as {
    numberOfTests: number;
    testGroups: SignatureGroup[];
  };
  const wrong: string[] = [];
  let tried = 0;
  for (const { jwk, tests } of testGroups) {
    const key = (await importJWK({ kty: 'OKP', crv: 'Ed25519', x: jwk.x }, signing)) as CryptoKey;
    for (const { tcId, comment, msg, sig, result } of tests) {
      const counts = await subtle.verify('Ed25519', key as never, hex(sig), hex(msg));
      if (counts !== (result === 'valid')) wrong.push(`${tcId} ${comment}: ${counts}, not ${result}`);
      tried++;
    }
  }
  expect(wrong).toEqual([]);
  expect(tried).toBe(numberOfTests);
  expect(tried).toBeGreaterThan(100);
});

/** A token as somebody makes it who knows what two keys agree on (RFC 7518, 4.6.2), and takes `epk` for his own. */
function encryptWith(shared: Buffer, epk: Buffer, text: string): string {
  const words = (...numbers: number[]) =>
    Buffer.concat(numbers.map((n) => Buffer.from([n >> 24, n >> 16, n >> 8, n])));
  const info = [words(encryption.length), Buffer.from(encryption), words(0, 0, 256)];
  const key = createHash('sha256')
    .update(Buffer.concat([words(1), shared, ...info]))
    .digest();
  const x = base64url(epk);
  const header = { alg: agreement, enc: encryption, kid: 'vector', epk: { kty: 'OKP', crv: 'X25519', x } };
  const head = base64url(Buffer.from(JSON.stringify(header)));
  const nonce = Buffer.alloc(12, 7);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(head));
  const body = Buffer.concat([cipher.update(text), cipher.final()]);
  return [head, '', base64url(nonce), base64url(body), base64url(cipher.getAuthTag())].join('.');
}

/** The signed token inside of one that the trust has made. */
async function signedToken(): Promise<string> {
  const { plaintext } = await compactDecrypt(await trust.mint(), trust.daemon.private);
  return Buffer.from(plaintext).toString();
}

/** What is not a full-sized secret of its own: RFC 7748, 6.1, has such agreements refused. */
const isAllZero = (bytes: Buffer) => bytes.every((byte) => byte === 0);

test("a token opens exactly where Wycheproof's vectors for X25519 agree on a secret that is one", async () => {
  const all = vectors('dh/x25519/testdata/wycheproof_kat.json') as Agreement[];
  const jws = await signedToken();
  const wrong: string[] = [];
  for (const { tcId, comment, public: theirs, private: ours, shared, result } of all) {
    const x = publicPart(hex(ours));
    const open = (await importJWK(
      { kty: 'OKP', crv: 'X25519', x: base64url(x), d: base64url(hex(ours)) },
      agreement,
    )) as CryptoKey;
    const daemons = new Map([['vector', { open, secret: hex(ours) }]]);
    const keys = () => ({ issuers: trust.ring.issuers, daemons });
    const verifier = createVerifier({ keys, fleet: 'geard', lifetimes, testToken: false });
    const claims = await verifier.verify(encryptWith(hex(shared), hex(theirs), jws));
    const counts = result !== 'invalid' && !isAllZero(hex(shared));
    if ((claims !== null) !== counts) wrong.push(`${tcId} ${comment}: ${claims !== null}, not ${counts}`);
  }
  expect(wrong).toEqual([]);
  expect(all.length).toBeGreaterThan(50);
});

/** The public part of a private key of X25519: what it agrees on with the base point, 9 (RFC 7748, 6.1). */
function publicPart(secret: Buffer): Buffer {
  const pkcs8 = Buffer.concat([hex('302e020100300506032b656e04220420'), secret]);
  const key = createPublicKey({ key: pkcs8, format: 'der', type: 'pkcs8' } as never);
  return Buffer.from(String(key.export({ format: 'jwk' }).x), 'base64url');
}
