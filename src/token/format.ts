import { z } from 'zod';
import { parseJson } from '../lib/parse-json.ts';

/**
 * The form of a token: a compact JWS (RFC 7515) by an issuer, inside a compact JWE (RFC 7516) to a
 * daemon. Each step has one algorithm, and these headers are the only ones, so that everything else
 * is rejected before any arithmetic: other algorithms, `p2c`, `zip`, `crit`, `jku`, `x5u`, `b64`
 * and future inventions.
 */
export const signing = 'EdDSA';
export const agreement = 'ECDH-ES';
export const encryption = 'A256GCM';

/** Maximum length of a token, in characters. */
export const maxToken = 2_048;

/** Maximum length of a header, in characters. */
const maxHeader = 512;

const keyId = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/);
/** A public or private key: 32 bytes in base64url. */
export const point = z.string().regex(/^[A-Za-z0-9_-]{43}$/);

const outerHeader = z.strictObject({
  alg: z.literal(agreement),
  enc: z.literal(encryption),
  kid: keyId,
  epk: z.strictObject({ kty: z.literal('OKP'), crv: z.literal('X25519'), x: point }),
  typ: z.literal('JWT').optional(),
  cty: z.literal('JWT').optional(),
});

const innerHeader = z.strictObject({ alg: z.literal(signing), kid: keyId, typ: z.literal('JWT').optional() });

/**
 * The id of the key that a token is encrypted to; null if it does not have the form of our tokens.
 */
export function outerKeyId(token: string): string | null {
  if (token.length > maxToken) return null;
  const parts = token.split('.', 6);
  const [, key, iv = '', , tag = ''] = parts;
  // Direct agreement has no encrypted key; 96 bits of nonce, 128 bits of tag (RFC 7518, 4.6 and
  // 5.3).
  if (parts.length !== 5 || key !== '' || iv.length !== 16 || tag.length !== 22) return null;
  return keyIdOf(outerHeader, parts);
}

/** The id of the key that signed a JWS; null if it does not have the form of ours. */
export function innerKeyId(jws: string): string | null {
  const parts = jws.split('.', 4);
  const [, , signature = ''] = parts;
  if (parts.length !== 3 || signature.length !== 86) return null;
  return keyIdOf(innerHeader, parts);
}

function keyIdOf(schema: typeof outerHeader | typeof innerHeader, parts: string[]): string | null {
  const [header = ''] = parts;
  if (header.length > maxHeader || !parts.every(isCanonical)) return null;
  const parsed = schema.safeParse(parseJson(Buffer.from(header, 'base64url').toString('utf8')));
  return parsed.success ? parsed.data.kid : null;
}

/** Whether a text is the only encoding of its bytes: two texts must not be one token. */
function isCanonical(part: string): boolean {
  return Buffer.from(part, 'base64url').toString('base64url') === part;
}
