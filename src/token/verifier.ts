import { hash } from 'node:crypto';
import { BoundedMap } from '../lib/bounded-map.ts';
import { type Claims, type TokenClaims, testToken } from './claims.ts';
import type { Keyring, KeySource } from './keyring.ts';
import { openToken } from './open-token.ts';

/** Seconds by which clocks may differ. */
export const skew = 60;
/** Maximum number of verified tokens to remember. */
const maxRemembered = 1_000;

/** Maximum lifetimes of tokens, in seconds. */
export interface Lifetimes {
  /** For requests that change something. */
  change: number;
  /** For everything else; at least `change`. */
  read: number;
}

export interface VerifierOptions {
  keys: KeySource;
  /** The fleet that tokens must be for. */
  fleet: string;
  lifetimes: Lifetimes;
  testToken: boolean;
}

export interface Verifier {
  /** The claims of a token that is valid now; null when it is not, for whatever reason. */
  verify(token: string): Promise<Claims | null>;
  /** The same, whatever the token's time. */
  read(token: string): Promise<Claims | null>;
  lifetimes: Lifetimes;
}

export function createVerifier({ keys, fleet, lifetimes, testToken: allowed }: VerifierOptions): Verifier {
  const remembered = rememberOpened(keys);

  async function read(token: string): Promise<Claims | null> {
    if (allowed && token === testToken) return {};
    const claims = await remembered(token);
    return claims?.aud === fleet ? claims : null;
  }
  return {
    lifetimes,
    read,
    async verify(token) {
      const claims = await read(token);
      return claims && isCurrent(claims, Date.now() / 1000, lifetimes) ? claims : null;
    },
  };
}

/** Whether a token is valid now and its lifetime allowed. `now`: seconds since the epoch. */
export function isCurrent(claims: Claims, now: number, { read }: Lifetimes): boolean {
  return !isPostdated(claims, now) && !isExpired(claims, now) && !isTooLong(claims, read);
}

/** Whether a token's creation is still to come. */
export const isPostdated = ({ iat = 0 }: Claims, now: number) => iat > now + skew;

export const isExpired = ({ d }: Claims, now: number) => d !== undefined && now > d + skew;

/** Counts from the issue time: a token made for a year is not one for a day on its last day. */
export const isTooLong = ({ d, iat }: Claims, longest: number) =>
  d !== undefined && iat !== undefined && d > iat + longest + skew;

/** Opens tokens, each only once per set of keys: a client sends its token with every request. */
function rememberOpened(keys: KeySource): (token: string) => Promise<TokenClaims | null> {
  const known = new WeakMap<Keyring, BoundedMap<string, TokenClaims>>();
  return async (token) => {
    const keyring = keys();
    const memory = known.get(keyring) ?? new BoundedMap<string, TokenClaims>(maxRemembered);
    known.set(keyring, memory);
    const name = hash('sha256', token, 'base64url');
    const before = memory.get(name);
    if (before) return before;
    const opened = await openToken(token, keyring);
    if ('wrong' in opened) return null;
    memory.set(name, opened.claims);
    return opened.claims;
  };
}

/**
 * The tenant that limits apply to: the user that a token fixes, or the token. No user name has a
 * colon.
 */
export const tenantOf = ({ u }: Claims, token: string) => u ?? tokenLabel(token);

/** The name of a token in logs. */
export const tokenLabel = (token: string) => `token:${hash('sha256', token, 'hex').slice(0, 12)}`;
