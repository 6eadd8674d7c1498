import { randomBytes } from 'node:crypto';
import { allowsAction } from '../../jobs/access/patterns.ts';
import { type Action, actions, changesSomething } from '../../jobs/actions.ts';
import { explain } from '../../lib/explain.ts';
import { type TokenClaims, tokenClaims } from '../../token/claims.ts';
import { readMinterKey } from '../../token/key-files.ts';
import { mintToken } from '../../token/mint.ts';
import { BadConfig } from '../options/config.ts';
import { missingFor, readyCall } from './calls.ts';
import { parseDuration, sayDuration } from './duration.ts';
import type { TokenSettings } from './inspect.ts';

/** Claims, and the ids of the keys. Default: the newest keys. */
export type NamedClaims = { [K in 'u' | 'i' | 't' | 'r' | 'h' | 'issuer' | 'daemon']?: string | undefined };

export interface CreateOptions extends NamedClaims, TokenSettings {
  actions: string[];
  /** Generates a random `i`. */
  once: boolean;
  /** The lifetime, such as `15m`. */
  expires: string;
  /** The required body of the request: its file and its hash. */
  body?: { file: string; hash: string } | undefined;
  show: 'token' | 'url' | 'curl';
  /** The address of the api, for the URL. */
  api: string;
}

/** Creates a token, or a URL or curl command with it. Throws `BadConfig` for invalid options. */
export async function createToken(options: CreateOptions): Promise<string> {
  if (options.actions.length === 0)
    throw new BadConfig([`--action is missing: one of ${actions.join(', ')}, or *.* for all`]);
  const claims = claimsOf(options);
  const allowed = options.actions.map((pattern) => known(pattern));
  assertLifetime(options, allowed.flat());
  const call = options.show === 'token' ? null : theOnlyAction(options, allowed.flat(), claims);
  const issuer = await readMinterKey(options.keys, 'issuer', options.issuer);
  const daemon = await readMinterKey(options.keys, 'daemon', options.daemon);
  const token = await mintToken(claims, issuer, daemon);
  if (call === null) return `${token}\n`;
  const { method, url } = readyCall(options.api, token, call, claims, newId());
  if (options.show === 'url') return `${url}\n`;
  const data = options.body ? ` --data-binary @${quote(options.body.file)}` : '';
  return `curl${method === 'GET' ? '' : ` -X ${method}`} '${url}'${data}\n`;
}

const newId = () => randomBytes(16).toString('hex');

const quote = (text: string) => (/^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);

function claimsOf(options: CreateOptions): TokenClaims {
  const { fleet, actions: a, u, t, r, h, once, body } = options;
  const span = parseDuration(options.expires);
  if (!span) throw new BadConfig(['--expires: must be a time span such as 90s, 15m, 24h or 7d']);
  if (once && options.i !== undefined) throw new BadConfig(['--once makes up a request id; leave out --i']);
  const i = once ? newId() : options.i;
  const iat = Math.floor(Date.now() / 1000);
  const given = { aud: fleet, iat, d: iat + span, u, i, t, r, h, a, b: body?.hash };
  const claims = tokenClaims.safeParse(
    Object.fromEntries(Object.entries(given).filter(([, value]) => value)),
  );
  if (!claims.success) throw new BadConfig([explain(claims.error)]);
  return claims.data;
}

/** Returns the actions that match a pattern. Throws `BadConfig` if none does. */
function known(pattern: string): Action[] {
  const meant = actions.filter((action) => allowsAction(pattern, action));
  if (meant.length > 0) return meant;
  throw new BadConfig([
    `--action: there is no ${pattern}; there are ${actions.join(', ')}, and patterns such as *.read`,
  ]);
}

function assertLifetime({ expires, lifetimes }: CreateOptions, allowed: Action[]): void {
  const span = parseDuration(expires) ?? 0;
  const changing = allowed.some(changesSomething);
  const longest = changing ? lifetimes.change : Math.max(lifetimes.change, lifetimes.read);
  if (span <= longest) return;
  const what = changing ? 'a token that changes something' : 'a token that reads';
  throw new BadConfig([
    `--expires: ${what} is accepted for ${sayDuration(longest)} at most; ask for less, or run every daemon, api and ` +
      `worker with another ${changing ? '--token-hours' : '--token-read-hours'}, and use it here too`,
  ]);
}

/** Returns the only allowed action. Throws `BadConfig` for several, or for a missing claim. */
function theOnlyAction({ show }: CreateOptions, allowed: Action[], claims: TokenClaims): Action {
  const [action, ...others] = allowed;
  if (action === undefined || others.length > 0)
    throw new BadConfig([`--${show} needs exactly one --action, because the address depends on it`]);
  const missing = missingFor(action, claims);
  if (missing.length > 0) {
    const flags = missing.map((name) => `--${name}`).join(' and ');
    throw new BadConfig([
      `--${show}: ${action} needs ${flags}; give ${missing.length > 1 ? 'them' : 'it'} here`,
    ]);
  }
  return action;
}
