import { compactDecrypt, compactVerify } from 'jose';
import { explain } from '../lib/explain.ts';
import { parseJson } from '../lib/parse-json.ts';
import { type TokenClaims, tokenClaims } from './claims.ts';
import { agreement, encryption, innerKeyId, outerKeyId, signing } from './format.ts';
import type { Keyring } from './keyring.ts';

export interface OpenedToken {
  claims: TokenClaims;
  /** Ids of the keys it is signed by and encrypted to. */
  issuer: string;
  daemon: string;
}

const decryption = { keyManagementAlgorithms: [agreement], contentEncryptionAlgorithms: [encryption] };
const verification = { algorithms: [signing] };

/** Why a token is invalid: for a person who inspects it, never for the client that sends it. */
export interface NoToken {
  wrong: string;
}

/** Opens a token that a known issuer signed for a known daemon, whatever its fleet and its time. */
export async function openToken(token: string, keyring: Keyring): Promise<OpenedToken | NoToken> {
  const daemon = outerKeyId(token);
  if (daemon === null) return { wrong: 'it does not have the form of a token' };
  const opening = keyring.daemons.get(daemon);
  if (!opening) return { wrong: `it is encrypted to the daemon key ${daemon}, which is not here` };
  const plain = await compactDecrypt(token, opening.open, decryption).catch(() => null);
  if (!plain) return { wrong: 'it has been altered: it cannot be decrypted' };
  const jws = Buffer.from(plain.plaintext).toString('latin1');
  const issuer = innerKeyId(jws);
  if (issuer === null) return { wrong: 'its encrypted content does not have the form of a signed token' };
  const verifying = keyring.issuers.get(issuer);
  if (!verifying) return { wrong: `it was signed by the issuer ${issuer}, which is not known here` };
  const signed = await compactVerify(jws, verifying, verification).catch(() => null);
  if (!signed) return { wrong: `the signature is not that of the issuer ${issuer}` };
  const claims = tokenClaims.safeParse(parseJson(Buffer.from(signed.payload).toString('utf8')));
  if (!claims.success) return { wrong: `its claims are not valid: ${explain(claims.error)}` };
  return { claims: claims.data, issuer, daemon };
}
