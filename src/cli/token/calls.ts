import { type Operation, operations } from '../../api/openapi/operations.ts';
import type { Action } from '../../jobs/actions.ts';
import type { TokenClaims } from '../../token/claims.ts';

/** Claims that the caller must know in order to send a request that needs them. */
const asked = ['r', 't', 'h', 'i'] as const;

function requestOf(action: Action): Operation {
  const found = operations().find((one) => one.action === action);
  if (found === undefined) throw new Error(`nothing has the action ${action}`);
  return found;
}

/**
 * Returns the claims that an action needs, that only the caller knows, and that the token leaves
 * open. A prefix leaves `r` open.
 */
export function missingFor(action: Action, claims: TokenClaims): string[] {
  const { path, needs, select } = requestOf(action);
  return asked.filter((name) => {
    if (name === 'i' ? !path.includes('{id}') : !needs.includes(name)) return false;
    if (name === 't' && select !== undefined) return false;
    return claims[name] === undefined || (name === 'r' && claims.r?.endsWith('*'));
  });
}

/**
 * Returns the complete request for an action. If the token leaves the user or the request id open,
 * the query names user 0 or `newId`.
 */
export function readyCall(
  base: string,
  token: string,
  action: Action,
  claims: TokenClaims,
  newId: string,
): { method: Operation['method']; url: string } {
  const { method, path, needs, select } = requestOf(action);
  const query = new URLSearchParams(select === undefined ? {} : { t: select });
  if (needs.includes('u') && claims.u === undefined) query.set('u', '0');
  if (needs.includes('i') && claims.i === undefined) query.set('i', newId);
  const place = path.replace('{id}', claims.i ?? '').replace(/\{\/.*\}/, '');
  return { method, url: `${base}/token/${token}${place}${query.size > 0 ? `?${query}` : ''}` };
}
