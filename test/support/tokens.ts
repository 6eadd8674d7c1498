import { type CryptoKey, exportJWK, generateKeyPair } from 'jose';
import type { TokenClaims } from '../../src/token/claims.ts';
import type { Keyring } from '../../src/token/keyring.ts';
import { mintToken } from '../../src/token/mint.ts';
import { createVerifier, type Lifetimes, type Verifier } from '../../src/token/verifier.ts';

export const hour = 3_600;
export const lifetimes: Lifetimes = { change: 24 * hour, read: 168 * hour };
export const now = () => Math.floor(Date.now() / 1000);

export interface Pair {
  kid: string;
  public: CryptoKey;
  private: CryptoKey;
  /** The bytes of the private key. */
  secret: Buffer;
}

async function makePair(kid: string, alg: string, crv: string): Promise<Pair> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { crv, extractable: true });
  const { d } = await exportJWK(privateKey);
  return { kid, public: publicKey, private: privateKey, secret: Buffer.from(String(d), 'base64url') };
}
export const makeIssuer = (kid = 'issuer') => makePair(kid, 'EdDSA', 'Ed25519');
export const makeDaemon = (kid = 'daemon') => makePair(kid, 'ECDH-ES', 'X25519');

export const ringOf = (issuers: Pair[], daemons: Pair[]): Keyring => ({
  issuers: new Map(issuers.map((pair) => [pair.kid, pair.public])),
  daemons: new Map(daemons.map((pair) => [pair.kid, { open: pair.private, secret: pair.secret }])),
});

/** An issuer and a daemon that know each other. */
export interface Trust {
  issuer: Pair;
  daemon: Pair;
  ring: Keyring;
  verifier: Verifier;
  /** A token that is valid for another quarter of an hour unless something else is said. */
  mint(claims?: Partial<TokenClaims>): Promise<string>;
}

export async function makeTrust(): Promise<Trust> {
  const [issuer, daemon] = [await makeIssuer(), await makeDaemon()];
  const ring = ringOf([issuer], [daemon]);
  return {
    issuer,
    daemon,
    ring,
    verifier: createVerifier({ keys: () => ring, fleet: 'geard', lifetimes, testToken: false }),
    mint: (claims = {}) =>
      mintToken(
        { aud: 'geard', d: now() + 900, ...claims },
        { kid: issuer.kid, key: issuer.private },
        { kid: daemon.kid, key: daemon.public },
      ),
  };
}
