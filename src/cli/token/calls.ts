import type { Action } from '../../jobs/actions.ts';
import { type JobDefinition, neededBy, type ReadDefinition, type Route } from '../../jobs/define.ts';
import { isJobType, jobs, type ReadName, reads } from '../../jobs/registry.ts';
import type { TokenClaims } from '../../token/claims.ts';

/** The request of an action, and the parameters that it requires. */
interface Call extends Pick<Route, 'method' | 'path'> {
  needs: readonly string[];
  /** Fixed parameters. */
  always: Record<string, string>;
}

/** Claims that the caller must know in order to send a request that needs them. */
const asked = ['r', 't', 'h', 'i'] as const;

function callOf(action: Action): Call {
  if (isJobType(action)) {
    const definition: JobDefinition = jobs[action];
    const { method, path } = definition;
    return { method, path, needs: neededBy(definition), always: {} };
  }
  const name = (Object.keys(reads) as ReadName[]).find((one) => reads[one].action === action);
  if (name === undefined) throw new Error(`nothing has the action ${action}`);
  const { method, path, needs, select }: ReadDefinition = reads[name];
  const open = needs.filter((one) => one !== 't' || select === undefined);
  return { method, path, needs: path.includes('{id}') ? [...open, 'i'] : open, always: { ...select } };
}

/**
 * Returns the claims that an action needs, that only the caller knows, and that the token leaves
 * open. A prefix leaves `r` open.
 */
export function missingFor(action: Action, claims: TokenClaims): string[] {
  const { path, needs } = callOf(action);
  return asked.filter((name) => {
    if (!needs.includes(name) || (name === 'i' && !path.includes('{id}'))) return false;
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
): { method: Call['method']; url: string } {
  const { method, path, needs, always } = callOf(action);
  const query = new URLSearchParams(always);
  if (needs.includes('u') && claims.u === undefined) query.set('u', '0');
  if (needs.includes('i') && claims.i === undefined) query.set('i', newId);
  const place = path.replace('{id}', claims.i ?? '').replace(/\{\/.*\}/, '');
  return { method, url: `${base}/token/${token}${place}${query.size > 0 ? `?${query}` : ''}` };
}
