import type { Action } from '../../jobs/actions.ts';
import type { TokenClaims } from '../../token/claims.ts';

/** How an action is called for, and which of its parameters it cannot do without. */
interface Call {
  method: 'GET' | 'PUT' | 'PATCH' | 'DELETE';
  path: string | ((id: string) => string);
  needs: readonly ('i' | 'r' | 't' | 'u' | 'h')[];
  /** Parameters that are always the same. */
  always?: Record<string, string>;
}

const change = (method: Call['method'], path: string, needs: Call['needs'] = []): Call => ({
  method,
  path,
  needs: ['u', 'i', 'r', ...needs],
});

const onHost = (path: string): Call => ({ method: 'PUT', path, needs: ['u', 'i', 'h'] });

const calls: Record<Action, Call> = {
  'container.install': change('PUT', '/container', ['t']),
  'container.start': change('PUT', '/container/started'),
  'container.stop': change('PUT', '/container/stopped'),
  'container.restart': change('PUT', '/container/restarted'),
  'container.remove': change('DELETE', '/container'),
  'repository.create': change('PUT', '/repository'),
  'environment.replace': change('PUT', '/environment'),
  'environment.merge': change('PATCH', '/environment'),
  'host.drain': onHost('/host/draining'),
  'host.undrain': onHost('/host/live'),
  'host.repair': onHost('/host/repaired'),
  'container.read': { method: 'GET', path: '/container', needs: ['r'] },
  'container.log': { method: 'GET', path: '/container/log', needs: ['r'] },
  'content.read': { method: 'GET', path: '/content', needs: ['r'], always: { t: 'gitarchive' } },
  'environment.read': { method: 'GET', path: '/content', needs: ['r'], always: { t: 'env' } },
  'job.read': { method: 'GET', path: '/jobs', needs: [] },
  'job.log': { method: 'GET', path: (id) => `/job/${id}/log`, needs: ['i'] },
  'job.cancel': { method: 'DELETE', path: (id) => `/job/${id}`, needs: ['i'] },
  'host.remove': { method: 'DELETE', path: '/host', needs: ['h'] },
  'host.read': { method: 'GET', path: '/hosts', needs: [] },
};

export interface ReadyCall {
  method: Call['method'];
  url: string;
}

/** What of an action's needs the claims leave open and nobody but the caller can know; a prefix leaves `r` open. */
export function missingFor(action: Action, claims: TokenClaims): string[] {
  const { path, needs } = calls[action];
  const open = {
    r: claims.r === undefined || claims.r.endsWith('*'),
    t: claims.t === undefined,
    h: claims.h === undefined,
  };
  const missing = needs.filter((name) => name !== 'u' && name !== 'i' && open[name]);
  return typeof path === 'function' && claims.i === undefined ? [...missing, 'i'] : missing;
}

/**
 * The request for an action as it can be sent at once. A user and a request id that the token leaves open are put
 * into the query: user 0, and `newId`.
 */
export function readyCall(
  base: string,
  token: string,
  action: Action,
  claims: TokenClaims,
  newId: string,
): ReadyCall {
  const { method, path, needs, always } = calls[action];
  const query = new URLSearchParams(always);
  if (needs.includes('u') && claims.u === undefined) query.set('u', '0');
  if (needs.includes('i') && claims.i === undefined) query.set('i', newId);
  const place = typeof path === 'function' ? path(claims.i ?? '') : path;
  return { method, url: `${base}/token/${token}${place}${query.size > 0 ? `?${query}` : ''}` };
}
