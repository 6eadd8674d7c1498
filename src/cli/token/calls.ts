import type { Action } from '../../jobs/actions.ts';
import { type JobDefinition, neededBy, type ReadDefinition, type Route } from '../../jobs/define.ts';
import { isJobType, jobs, type ReadName, reads } from '../../jobs/registry.ts';
import type { TokenClaims } from '../../token/claims.ts';

/** How an action is called for, and which of its parameters it cannot do without. */
interface Call extends Pick<Route, 'method' | 'path'> {
  needs: readonly string[];
  /** Parameters that are always the same. */
  always: Record<string, string>;
}

/** Claims without which nobody could make the request. */
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

export interface ReadyCall {
  method: Call['method'];
  url: string;
}

/**
 * The claims that an action needs, only the caller can know and the token leaves open; a prefix
 * leaves `r` open.
 */
export function missingFor(action: Action, claims: TokenClaims): string[] {
  const { path, needs } = callOf(action);
  return asked.filter((name) => {
    if (!needs.includes(name) || (name === 'i' && !path.includes('{id}'))) return false;
    return claims[name] === undefined || (name === 'r' && claims.r?.endsWith('*'));
  });
}

/**
 * The request for an action as it can be sent at once. A user and a request id that the token
 * leaves open are put into the query: user 0, and `newId`.
 */
export function readyCall(
  base: string,
  token: string,
  action: Action,
  claims: TokenClaims,
  newId: string,
): ReadyCall {
  const { method, path, needs, always } = callOf(action);
  const query = new URLSearchParams(always);
  if (needs.includes('u') && claims.u === undefined) query.set('u', '0');
  if (needs.includes('i') && claims.i === undefined) query.set('i', newId);
  const place = path.replace('{id}', claims.i ?? '').replace(/\{\/.*\}/, '');
  return { method, url: `${base}/token/${token}${place}${query.size > 0 ? `?${query}` : ''}` };
}
