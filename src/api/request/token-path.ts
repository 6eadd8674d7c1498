import type { RequestHandler } from 'express';
import { tokenInvalid } from '../../jobs/errors.ts';
import { testToken } from '../../token/claims.ts';
import { tenantOf, tokenLabel, type Verifier } from '../../token/verifier.ts';
import { isOpenPath } from '../openapi/open-paths.ts';
import type { Caller } from './request-context.ts';
import { assertLocalOrigin } from './test-token-origin.ts';
import type { AccountOf } from './user-limits.ts';

const prefixed = /^\/token\/([^/?]{0,4096})(?=[/?]|$)/;
/** Headers of every answer: the URL may be the credential, and logs and archives are untrusted. */
export const safeHeaders = [
  ['Cache-Control', 'no-store'],
  ['Referrer-Policy', 'no-referrer'],
  ['X-Content-Type-Options', 'nosniff'],
  ['Content-Security-Policy', "default-src 'none'; frame-ancestors 'none'; sandbox"],
] as const;
const bearer = /^Bearer +(\S{1,4096})$/i;

/**
 * Milliseconds until every rejection of a token, counted from before its verification. This is
 * longer than a verification takes, so that the time does not reveal how far a forged token got.
 */
const refusalTime = 5;

/**
 * Takes the token from the path or from the Authorization header and accepts only valid tokens. The
 * routes see the rest of the path.
 */
export function requireToken({ verify }: Verifier, accountOf: AccountOf): RequestHandler {
  return async (req, res, next) => {
    for (const [name, value] of safeHeaders) res.setHeader(name, value);
    const [prefix = '', inPath] = prefixed.exec(req.url) ?? [];
    if (prefix === '' && isOpenPath(req.path)) {
      next();
      return;
    }
    const { log } = res.locals;
    const token = inPath ?? bearer.exec(req.headers.authorization ?? '')?.[1];
    if (token !== undefined) log.token = tokenLabel(token);
    const caller = { prefix, ...(await verified(verify, token)) };
    if (token === testToken) assertLocalOrigin(req);
    if (caller.claims.u !== undefined) log.user = caller.claims.u;
    const tenant = tenantOf(caller.claims, caller.token);
    const account = accountOf(tenant, res);
    res.locals.caller = { ...caller, tenant, ...account };
    if (prefix !== '') req.url = req.url.slice(prefix.length).replace(/^(?!\/)/, '/');
    account.occupy('userRequests');
    next();
  };
}

/** Returns a token with its claims. Throws `token_invalid`, always after the same time. */
async function verified(
  verify: Verifier['verify'],
  token: string | undefined,
): Promise<Pick<Caller, 'token' | 'claims' | 'isValid'>> {
  // Starts before the verification: a timer started afterwards would be cut to whole milliseconds.
  let timer: NodeJS.Timeout | undefined;
  const due = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, refusalTime);
  });
  const claims = token === undefined ? null : await verify(token);
  if (token !== undefined && claims) {
    clearTimeout(timer);
    return { token, claims, isValid: async () => (await verify(token)) !== null };
  }
  await due;
  throw tokenInvalid();
}
