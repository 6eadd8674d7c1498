import { CompactEncrypt, CompactSign, type CryptoKey } from 'jose';
import { type TokenClaims, tokenClaims } from './claims.ts';
import { agreement, encryption, maxToken, signing } from './format.ts';

export interface NamedKey {
  kid: string;
  key: CryptoKey;
}

/** The claims of a new token; `iat` defaults to now. */
export type NewClaims = Omit<TokenClaims, 'iat'> & { iat?: number };

/**
 * Makes a token from an issuer (its private key) for a daemon (its public key). Throws when it
 * would be too long.
 */
export async function mintToken(claims: NewClaims, issuer: NamedKey, daemon: NamedKey): Promise<string> {
  const payload = Buffer.from(
    JSON.stringify(tokenClaims.parse({ iat: Math.floor(Date.now() / 1000), ...claims })),
  );
  const signed = await new CompactSign(payload)
    .setProtectedHeader({ alg: signing, kid: issuer.kid })
    .sign(issuer.key);
  const token = await new CompactEncrypt(Buffer.from(signed))
    .setProtectedHeader({ alg: agreement, enc: encryption, kid: daemon.kid })
    .encrypt(daemon.key);
  if (token.length <= maxToken) return token;
  throw new Error(
    `the token would have ${token.length} characters, and at most ${maxToken} are accepted; use fewer or shorter claims`,
  );
}
