import type { TokenClaims } from '../../token/claims.ts';
import { readKeyring } from '../../token/key-files.ts';
import { openToken } from '../../token/open-token.ts';
import { isExpired, isPostdated, isTooLong, type Lifetimes, tokenLabel } from '../../token/verifier.ts';
import { sayDuration } from './duration.ts';

/** The settings that tokens depend on. */
export interface TokenSettings {
  keys: string;
  fleet: string;
  lifetimes: Lifetimes;
}

/**
 * Shows the claims of a token. `accepted`: whether a daemon with these keys would accept it now.
 */
export async function inspectToken(token: string, options: TokenSettings) {
  const { keyring, problems } = await readKeyring(options.keys);
  const opened = await openToken(token, keyring);
  const label = `${tokenLabel(token)}, ${token.length} characters`;
  const notes = problems.map((problem) => `note: ${problem}`);
  if ('wrong' in opened) return said(false, [label, ...notes, `accepted now: no, ${opened.wrong}`]);
  const { claims, issuer, daemon } = opened;
  const now = Date.now() / 1000;
  const left = Math.floor(claims.d - now);
  const expires = `${new Date(claims.d * 1000).toISOString()} (${left < 0 ? `${sayDuration(-left)} ago` : `in ${sayDuration(left)}`})`;
  const refusal = whyNot(claims, now, options);
  return said(refusal === null, [
    label,
    ...notes,
    `issuer: ${issuer}`,
    `daemon: ${daemon}`,
    `expires: ${expires}`,
    `claims: ${JSON.stringify(claims, null, 2)}`,
    `accepted now: ${refusal === null ? whatFor(claims, options) : `no, ${refusal}`}`,
  ]);
}

const said = (accepted: boolean, lines: string[]) => ({ accepted, text: `${lines.join('\n')}\n` });

function whyNot({ aud, d, iat }: TokenClaims, now: number, { fleet, lifetimes }: TokenSettings) {
  if (aud !== fleet) return `it is for the fleet ${aud}, not for ${fleet}`;
  if (isExpired({ d }, now)) return 'it has expired';
  if (isTooLong({ d, iat }, lifetimes.read)) return 'its lifetime is too long';
  if (isPostdated({ iat }, now)) return 'its creation time is in the future';
  return null;
}

const whatFor = (claims: TokenClaims, { lifetimes }: TokenSettings) =>
  isTooLong(claims, lifetimes.change) ? 'yes, to read; its lifetime is too long to change anything' : 'yes';
