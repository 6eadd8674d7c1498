import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { allowsAction } from '../../jobs/access/patterns.ts';
import { type Action, actions, changesSomething } from '../../jobs/actions.ts';
import { explain } from '../../lib/explain.ts';
import { maxBody } from '../../requests/original.ts';
import { type TokenClaims, tokenClaims } from '../../token/claims.ts';
import { readMinterKey } from '../../token/key-files.ts';
import { mintToken } from '../../token/mint.ts';
import type { Lifetimes } from '../../token/verifier.ts';
import { BadConfig, type Flags, readSettings } from '../options/config.ts';
import { quote } from '../quote.ts';
import { missingFor, readyCall } from './calls.ts';
import { parseDuration, sayDuration } from './duration.ts';
import type { TokenSettings } from './inspect.ts';

/** Claims, and the ids of the keys. Default: the newest keys. */
type NamedClaims = { [K in 'u' | 'i' | 't' | 'r' | 'h' | 'issuer' | 'daemon']?: string };

export interface CreateFlags extends NamedClaims, Flags {
  /** Patterns of the allowed actions. */
  action?: string[];
  /** Generates a random `i`. */
  once?: boolean;
  /** The lifetime, such as `15m`. */
  expires: string;
  /** The file with the required body of the request. */
  body?: string;
  url?: boolean;
  curl?: boolean;
}

/** Creates a token, or a URL or curl command with it. Throws `BadConfig` for invalid flags. */
export async function createToken(flags: CreateFlags, settings: TokenSettings): Promise<string> {
  const { action: patterns = [], body, url, curl } = flags;
  const hash = body === undefined ? undefined : await hashOf(body);
  const { api } = readSettings(['api'], flags);
  if (patterns.length === 0)
    throw new BadConfig(`--action is missing: one of ${actions.join(', ')}, or *.* for all`);
  const claims = claimsOf(flags, settings.fleet, hash);
  const allowed = patterns.flatMap((pattern) => known(pattern));
  assertLifetime(claims, settings.lifetimes, allowed);
  const shown = curl ? '--curl' : url ? '--url' : null;
  const action = shown === null ? null : theOnlyAction(shown, allowed, claims);
  const issuer = await readMinterKey(settings.keys, 'issuer', flags.issuer);
  const daemon = await readMinterKey(settings.keys, 'daemon', flags.daemon);
  const token = await mintToken(claims, issuer, daemon);
  if (action === null) return `${token}\n`;
  const call = readyCall(api, token, action, claims, newId());
  if (!curl) return `${call.url}\n`;
  const data = body === undefined ? '' : ` --data-binary @${quote(body)}`;
  return `curl${call.method === 'GET' ? '' : ` -X ${call.method}`} '${call.url}'${data}\n`;
}

const newId = () => randomBytes(16).toString('hex');

async function hashOf(file: string): Promise<string> {
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw new BadConfig(`--body: ${file} cannot be read (${error.code})`);
  });
  if (bytes.length > maxBody)
    throw new BadConfig(`--body: ${file} exceeds 100 KiB, the maximum that an api accepts`);
  return createHash('sha256').update(bytes).digest('base64url');
}

function claimsOf(flags: CreateFlags, fleet: string, hash: string | undefined): TokenClaims {
  const { action: a, u, t, r, h, once } = flags;
  const span = parseDuration(flags.expires);
  if (!span) throw new BadConfig('--expires: must be a time span such as 90s, 15m, 24h or 7d');
  if (once && flags.i !== undefined) throw new BadConfig('--once makes up a request id; leave out --i');
  const i = once ? newId() : flags.i;
  const iat = Math.floor(Date.now() / 1000);
  const given = { aud: fleet, iat, d: iat + span, u, i, t, r, h, a, b: hash };
  const claims = tokenClaims.safeParse(
    Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
  );
  if (!claims.success) throw new BadConfig(explain(claims.error));
  return claims.data;
}

/** Returns the actions that match a pattern. Throws `BadConfig` if none does. */
function known(pattern: string): Action[] {
  const meant = actions.filter((action) => allowsAction(pattern, action));
  if (meant.length > 0) return meant;
  throw new BadConfig(
    `--action: there is no ${pattern}; there are ${actions.join(', ')}, and patterns such as *.read`,
  );
}

function assertLifetime({ d, iat }: TokenClaims, lifetimes: Lifetimes, allowed: Action[]): void {
  const changing = allowed.some(changesSomething);
  const longest = changing ? lifetimes.change : lifetimes.read;
  if (d - iat <= longest) return;
  const what = changing ? 'a token that changes something' : 'a token that reads';
  throw new BadConfig(
    `--expires: ${what} is accepted for ${sayDuration(longest)} at most; ask for less, or run every daemon, api and ` +
      `worker with another ${changing ? '--token-hours' : '--token-read-hours'}, and use it here too`,
  );
}

/** Returns the only allowed action. Throws `BadConfig` for several, or for a missing claim. */
function theOnlyAction(flag: '--url' | '--curl', allowed: Action[], claims: TokenClaims): Action {
  const [action, ...others] = allowed;
  if (action === undefined || others.length > 0)
    throw new BadConfig(`${flag} needs exactly one --action, because the address depends on it`);
  const missing = missingFor(action, claims);
  if (missing.length > 0) {
    const flags = missing.map((name) => `--${name}`).join(' and ');
    throw new BadConfig(`${flag}: ${action} needs ${flags}; give ${missing.length > 1 ? 'them' : 'it'} here`);
  }
  return action;
}
