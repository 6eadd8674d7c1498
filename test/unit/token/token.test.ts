import { createHmac, randomInt } from 'node:crypto';
import {
  CompactEncrypt,
  CompactSign,
  exportSPKI,
  FlattenedSign,
  GeneralEncrypt,
  generateKeyPair,
} from 'jose';
import { beforeAll, expect, test } from 'vitest';
import { type TokenClaims, testToken } from '../../../src/token/claims.ts';
import { maxToken } from '../../../src/token/format.ts';
import { type Keyring, noKeys } from '../../../src/token/keyring.ts';
import { mintToken } from '../../../src/token/mint.ts';
import { createVerifier } from '../../../src/token/verifier.ts';
import {
  hour,
  lifetimes,
  makeDaemon,
  makeIssuer,
  makeTrust,
  now,
  ringOf,
  type Trust,
} from '../../support/tokens.ts';

let trust: Trust;
beforeAll(async () => {
  trust = await makeTrust();
});

const text = (value: unknown) => Buffer.from(JSON.stringify(value));
const b64 = (value: unknown) => text(value).toString('base64url');
const claims = (more: Partial<TokenClaims> = {}) => ({ aud: 'geard', iat: now(), d: now() + 900, ...more });
const outer = () => ({ alg: 'ECDH-ES', enc: 'A256GCM', kid: trust.daemon.kid });
const inner = () => ({ alg: 'EdDSA', kid: trust.issuer.kid });

/** What is inside, signed as it should be; with other headers where they are given. */
const sign = (payload: unknown = claims(), header: object = {}) =>
  new CompactSign(text(payload)).setProtectedHeader({ ...inner(), ...header }).sign(trust.issuer.private);
/** Encrypted as it should be, whatever is inside. */
const encrypt = (jws: string, header: object = {}) =>
  new CompactEncrypt(Buffer.from(jws))
    .setProtectedHeader({ ...outer(), ...header })
    .encrypt(trust.daemon.public);

const verify = (token: string) => trust.verifier.verify(token);
const refused = async (token: string) => expect(await verify(token)).toBeNull();

test('what an issuer says to a daemon is what the daemon hears', async () => {
  const said = claims({ r: 'team-*', a: ['container.*', '*.read'], h: 'h1', i: '2a', u: '0', t: 'nginx' });
  expect(await verify(await trust.mint(said))).toEqual(said);
});

test('a token with optional headers that mean nothing else is taken, as other libraries write them', async () => {
  const token = await encrypt(await sign(claims(), { typ: 'JWT' }), { typ: 'JWT', cty: 'JWT' });
  expect(await verify(token)).not.toBeNull();
});

test('the test token is valid only where it was allowed, and everything that resembles it never', async () => {
  const options = { keys: noKeys, fleet: 'geard', lifetimes };
  const [allowing, other] = [true, false].map((testToken) => createVerifier({ ...options, testToken }));
  expect(await allowing?.verify(testToken)).toEqual({});
  expect(await other?.verify(testToken)).toBeNull();
  for (const token of ['', '__test', '__TEST__', '__proto__'])
    expect(await allowing?.verify(token)).toBeNull();
});

test.each([
  ['it expired a minute and more ago', () => ({ d: now() - 62 })],
  ['it is valid for longer than any may be', () => ({ d: now() + 168 * hour + 65 })],
  [
    'it was made for longer, on its last day (security L4)',
    () => ({ iat: now() - 168 * hour, d: now() + hour }),
  ],
  ['it does not say when it was made', () => ({ iat: undefined })],
  ['it is made in the future', () => ({ iat: now() + 3 * hour, d: now() + 4 * hour })],
  ['it is for another fleet', () => ({ aud: 'other' })],
  ['it names no fleet', () => ({ aud: undefined })],
  ['it names several fleets', () => ({ aud: ['geard'] })],
  ['it never expires', () => ({ d: undefined })],
  ['its expiry is a text', () => ({ d: '9999999999' })],
  ['its expiry is infinite', () => ({ d: 1e300 })],
  ['it has a claim we do not know', () => ({ nbf: 1 })],
  ['it allows nothing at all', () => ({ a: [] })],
  ['its actions are no list', () => ({ a: 'container.install' })],
  ['a star is in the middle of its name', () => ({ r: 'a*b' })],
  ['its name is a path', () => ({ r: '../etc' })],
])('a token is refused when %s', async (_, more) => {
  await refused(await encrypt(await sign({ ...claims(), ...more() })));
});

test.each([
  ['a minute after its expiry', () => ({ d: now() - 58 })],
  ['for all the time that may be read for', () => ({ d: now() + 168 * hour })],
])('clocks may differ: a token is taken %s', async (_, more) => {
  expect(await verify(await trust.mint(more()))).not.toBeNull();
});

test('one signed by nobody we know, or encrypted to nobody we are, is refused, whatever it says of itself', async () => {
  const [stranger, other] = [await makeIssuer(trust.issuer.kid), await makeDaemon(trust.daemon.kid)];
  const key = ({ kid }: { kid: string }, of: unknown) => ({ kid, key: of }) as never;
  await refused(
    await mintToken(claims(), key(stranger, stranger.private), key(trust.daemon, trust.daemon.public)),
  );
  await refused(await mintToken(claims(), key(trust.issuer, trust.issuer.private), key(other, other.public)));
  await refused(await encrypt(await sign(claims(), { kid: 'unknown' })));
  await refused(await encrypt(await sign(), { kid: 'unknown' }));
  await refused(await encrypt(await sign(), { kid: '../../../etc/passwd' }));
});

test('only one algorithm is taken for each step', async () => {
  const rsa = await generateKeyPair('RSA-OAEP-256', { extractable: true });
  const p256 = await generateKeyPair('ECDH-ES', { crv: 'P-256' });
  const jws = await sign();
  const to = async (alg: string, key: unknown, enc = 'A256GCM') =>
    new CompactEncrypt(Buffer.from(jws))
      .setProtectedHeader({ alg, enc, kid: trust.daemon.kid })
      .encrypt(key as never);
  const secret = (bytes: number) => trust.daemon.secret.subarray(0, bytes);
  const all = [
    await to('RSA-OAEP-256', rsa.publicKey),
    await to('ECDH-ES', p256.publicKey),
    await to('ECDH-ES+A256KW', trust.daemon.public),
    await to('ECDH-ES', trust.daemon.public, 'A128GCM'),
    await to('ECDH-ES', trust.daemon.public, 'A256CBC-HS512'),
    await to('dir', secret(32)),
    await to('A256KW', secret(32)),
    await to('A256GCMKW', secret(32)),
    await to('PBES2-HS256+A128KW', secret(32)),
  ];
  for (const token of all) await refused(token);
});

test('a signature by another algorithm is none, and a public key is no shared secret', async () => {
  const none = `${b64({ alg: 'none', kid: trust.issuer.kid })}.${b64(claims())}.`;
  await refused(await encrypt(none));
  const spki = await exportSPKI(trust.issuer.public).catch(() => 'not extractable');
  for (const secret of [spki, trust.issuer.kid]) {
    const signed = `${b64({ ...inner(), alg: 'HS256' })}.${b64(claims())}`;
    await refused(
      await encrypt(`${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`),
    );
    const asEdDsa = `${b64(inner())}.${b64(claims())}`;
    const twice = createHmac('sha512', secret).update(asEdDsa).digest('base64url');
    await refused(await encrypt(`${asEdDsa}.${twice}`));
  }
  for (const alg of ['ES256', 'RS256', 'PS256']) {
    const { privateKey } = await generateKeyPair(alg);
    const header = { ...inner(), alg };
    await refused(
      await encrypt(await new CompactSign(text(claims())).setProtectedHeader(header).sign(privateKey)),
    );
  }
});

test.each([
  ['jwk', { jwk: { kty: 'OKP', crv: 'Ed25519', x: 'A'.repeat(43) } }],
  ['jku', { jku: 'http://127.0.0.1:1/' }],
  ['x5u', { x5u: 'http://127.0.0.1:1/' }],
  ['x5c', { x5c: ['AAAA'] }],
  ['cty', { cty: 'JWT' }],
  ['an invented header', { foo: 1 }],
])('%s in the header of a signature is refused', async (_, header) => {
  await refused(await encrypt(await sign(claims(), header)));
});

test.each([
  ['b64', { b64: false, crit: ['b64'] }],
  ['crit', { crit: ['exp'], exp: 1 }],
  ['a kid that is a number', { kid: 1 }],
  ['a kid that is a list', { kid: ['issuer'] }],
])('%s in a header is refused', async (_, header) => {
  const protectedPart = { ...inner(), ...header };
  const flat = await new FlattenedSign(text(claims())).setProtectedHeader(inner()).sign(trust.issuer.private);
  await refused(await encrypt(`${b64(protectedPart)}.${flat.payload}.${flat.signature}`));
  const [, ...rest] = (await trust.mint()).split('.');
  const outerPart = JSON.parse(Buffer.from((await trust.mint()).split('.')[0] ?? '', 'base64url').toString());
  await refused([b64({ ...outerPart, ...header }), ...rest].join('.'));
});

test.each([
  ['zip', { zip: 'DEF' }],
  ['apu', { apu: 'AAAA' }],
  [
    'an ephemeral key with a private part',
    { epk: { kty: 'OKP', crv: 'X25519', x: 'A'.repeat(43), d: 'A'.repeat(43) } },
  ],
  [
    'an ephemeral key of order one',
    { epk: { kty: 'OKP', crv: 'X25519', x: Buffer.alloc(32).toString('base64url') } },
  ],
  [
    'an ephemeral key on another curve',
    { epk: { kty: 'EC', crv: 'P-256', x: 'A'.repeat(43), y: 'A'.repeat(43) } },
  ],
])('%s in the header of the encryption is refused', async (_, header) => {
  const [head = '', ...rest] = (await trust.mint()).split('.');
  const before = JSON.parse(Buffer.from(head, 'base64url').toString());
  await refused([b64({ ...before, ...header }), ...rest].join('.'));
});

test('a header that asks for two thousand million rounds is refused within a millisecond', async () => {
  const header = {
    alg: 'PBES2-HS512+A256KW',
    enc: 'A256GCM',
    kid: trust.daemon.kid,
    p2c: 2 ** 31,
    p2s: 'AAAA',
  };
  const token = [b64(header), 'A'.repeat(54), 'A'.repeat(16), 'A'.repeat(100), 'A'.repeat(22)].join('.');
  const times: number[] = [];
  for (let i = 0; i < 51; i++) {
    const began = performance.now();
    await refused(token);
    times.push(performance.now() - began);
  }
  expect(median(times)).toBeLessThan(1);
});

test('other serializations and longer tokens are refused', async () => {
  const general = await new GeneralEncrypt(Buffer.from(await sign()))
    .setProtectedHeader({ enc: 'A256GCM' })
    .addRecipient(trust.daemon.public)
    .setUnprotectedHeader({ alg: 'ECDH-ES', kid: trust.daemon.kid })
    .encrypt();
  await refused(JSON.stringify(general));
  await refused(await sign());
  const long = await encrypt(await sign({ ...claims(), t: 'x'.repeat(900) }));
  expect(long.length).toBeGreaterThan(maxToken);
  await refused(long);
  await refused('.'.repeat(2_000));
  await refused(`${'A'.repeat(2_000)}.`);
});

test('one token is one text: its parts cannot be written in a second way', async () => {
  const token = await trust.mint();
  expect(await verify(token)).not.toBeNull();
  for (const other of [`${token}=`, ` ${token}`, `${token}\n`, token.replace(/^ey/, 'ey\n'), `${token}.`]) {
    await refused(other);
  }
  const parts = token.split('.');
  const last = parts[4] ?? '';
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const next = alphabet[alphabet.indexOf(last.at(-1) ?? '') + 1] ?? 'B'; // Same bytes: only unused bits differ.
  await refused([...parts.slice(0, 4), last.slice(0, -1) + next].join('.'));
});

test('5,000 mutations of valid tokens: none is accepted, none takes more than 5 milliseconds of a processor', async () => {
  const valid = await Promise.all(Array.from({ length: 20 }, (_, i) => trust.mint({ r: `gear${i}` })));
  const jws = await sign();
  const strangers = {
    issuer: await makeIssuer(trust.issuer.kid),
    daemon: await makeDaemon(trust.daemon.kid),
  };
  const pick = <T>(all: readonly T[]): T => all[randomInt(all.length)] as T;
  const at = (token: string, change: (character: string) => string) => {
    const place = randomInt(token.length);
    return token.slice(0, place) + change(token[place] ?? '') + token.slice(place + 1);
  };
  const wide = (character: string) => String.fromCharCode(character.charCodeAt(0) ^ (1 << randomInt(7)));
  const flipped = (jwsText: string, part: number) => {
    const parts = jwsText.split('.');
    const bytes = Buffer.from(parts[part] ?? '', 'base64url');
    const place = randomInt(bytes.length);
    bytes[place] = (bytes[place] ?? 0) ^ (1 << randomInt(8));
    parts[part] = bytes.toString('base64url');
    return parts.join('.');
  };
  const key = (pair: { kid: string }, of: unknown) => ({ kid: pair.kid, key: of }) as never;
  const mutations: (() => string | Promise<string>)[] = [
    () => at(pick(valid), wide),
    () => at(pick(valid), () => ''),
    () => at(pick(valid), (character) => character + pick(['A', '_', '.', '%', '\0'])),
    () => flipped(pick(valid), pick([0, 2, 3, 4])),
    () => pick(valid).slice(0, randomInt(pick(valid).length - 1)),
    () => pick(valid).slice(1 + randomInt(100)),
    () => {
      const [a, b] = [pick(valid).split('.'), pick(valid.slice(1)).split('.')];
      const part = pick([0, 2, 3, 4]);
      if (a[part] === b[part]) return `${a.join('.')}x`;
      a[part] = b[part] ?? '';
      return a.join('.');
    },
    () => encrypt(flipped(jws, pick([0, 1, 2]))),
    () => encrypt(jws.slice(0, randomInt(jws.length))),
    () =>
      mintToken(
        claims(),
        key(strangers.issuer, strangers.issuer.private),
        key(trust.daemon, trust.daemon.public),
      ),
    () =>
      mintToken(
        claims(),
        key(trust.issuer, trust.issuer.private),
        key(strangers.daemon, strangers.daemon.public),
      ),
    () => trust.mint({ d: now() - 62 - randomInt(1e6) }),
    () => trust.mint({ d: now() + 168 * hour + 65 + randomInt(1e6) }),
    () => trust.mint({ aud: `geard${randomInt(100)}` }),
  ];
  const times: number[] = [];
  const accepted: string[] = [];
  for (let i = 0; i < 5_000; i++) {
    const token = await (mutations[i % mutations.length] as () => Promise<string>)();
    if (valid.includes(token)) continue;
    // Of ten looks the cheapest: a token that costs much does so each time, a collection of garbage does not.
    let cheapest = Number.POSITIVE_INFINITY;
    for (let look = 0; look < 10 && cheapest >= 5; look++) {
      const before = process.cpuUsage();
      if ((await verify(token)) !== null) accepted.push(token);
      const { user, system } = process.cpuUsage(before);
      cheapest = Math.min(cheapest, (user + system) / 1_000);
    }
    times.push(cheapest);
  }
  expect(accepted).toEqual([]);
  expect(times.length).toBeGreaterThan(4_900);
  expect(Math.max(...times)).toBeLessThan(5);
});

test('keys come and go: what a retired key has signed or opens is refused from then on', async () => {
  const second = { issuer: await makeIssuer('second'), daemon: await makeDaemon('newer') };
  let ring: Keyring = trust.ring;
  const verifier = createVerifier({ keys: () => ring, fleet: 'geard', lifetimes, testToken: false });
  const old = await trust.mint();
  const young = await mintToken(
    claims(),
    { kid: 'second', key: second.issuer.private },
    { kid: 'newer', key: second.daemon.public },
  );
  const taken = async () =>
    Promise.all([old, young].map(async (token) => (await verifier.verify(token)) !== null));
  expect(await taken()).toEqual([true, false]);
  ring = ringOf([trust.issuer, second.issuer], [trust.daemon, second.daemon]);
  expect(await taken()).toEqual([true, true]);
  ring = ringOf([second.issuer], [trust.daemon, second.daemon]);
  expect(await taken()).toEqual([false, true]);
  ring = ringOf([trust.issuer, second.issuer], [second.daemon]);
  expect(await taken()).toEqual([false, true]);
});

test('what would be too long, or is no claim, is not minted', async () => {
  await expect(trust.mint({ t: 'x'.repeat(1_500) })).rejects.toThrow(/at most 2048 are accepted/);
  await expect(trust.mint({ r: '../x' })).rejects.toThrow();
});

function median(all: number[]): number {
  return all.sort((a, b) => a - b)[all.length >> 1] ?? 0;
}
