import { hash } from 'node:crypto';
import { allows, allowsAction, allowsResource } from '../jobs/access/patterns.ts';
import type { Scope } from '../jobs/access/scope.ts';
import { changesSomething } from '../jobs/actions.ts';
import { Failure } from '../jobs/errors.ts';
import { parseRequestId } from '../jobs/fields/request-id.ts';
import { type Parameters, parseParameters } from '../jobs/parameters.ts';
import { jobs } from '../jobs/registry.ts';
import type { Claims } from '../token/claims.ts';
import { isTooLong, type Lifetimes } from '../token/verifier.ts';
import type { Order } from './order.ts';
import type { OriginalRequest } from './original.ts';
import { assertReferencesAllowed } from './references.ts';
import { type Route, type RouteMatch, selectRoute } from './routes.ts';

/**
 * What a request comes to under the claims of its token: a claim fixes its parameter, what the
 * token leaves open comes from the query. `match` is what `matchRoute` finds for the request. Pure,
 * so that the api and the worker come to the same. Throws why not: `token_forbids` or
 * `invalid_request`.
 */
export function authorize(
  claims: Claims,
  request: OriginalRequest,
  match: RouteMatch,
  lifetimes: Lifetimes,
): Order {
  const all = fix(claims, parseParameters(request.query));
  const { found } = match;
  const route = selectRoute(match, all);
  const types = assertAllowed(claims, route);
  if (route.ofHost && claims.r !== undefined)
    throw new Failure('token_forbids', 'the token is for named resources, not for hosts');
  if (route.action !== null && changesSomething(route.action))
    assertChangeAllowed(claims, request, lifetimes);
  const wants = route.wants({ request, all, found });
  if (claims.i !== undefined && 'id' in wants && wants.id !== parseRequestId(claims.i)) throw fixes('i');
  const values = allows(claims, 'environment.read');
  const scope: Scope = { u: all.u, h: all.h, r: all.r ?? claims.r, values, types };
  const order = { name: route.name, action: route.action, all, scope, wants } as Order;
  assertReferencesAllowed(claims, order);
  return order;
}

const fixable = ['u', 'd', 'i', 't', 'r', 'h'] as const;

function fix(claims: Claims, given: Parameters): Parameters {
  const fixed: Parameters = { ...given };
  for (const name of fixable) {
    const claim = claims[name];
    if (claim === undefined) continue;
    const value = given[name];
    if (name === 'r' && String(claim).endsWith('*')) {
      if (value !== undefined && !allowsResource(String(claim), value)) throw fixes(name);
      continue; // Which of them it is, is left open.
    }
    if (value !== undefined && !isSame(name, value, String(claim))) throw fixes(name);
    fixed[name] = String(claim);
  }
  return fixed;
}

/** Request ids are the same however many zeros they begin with. */
function isSame(name: (typeof fixable)[number], value: string, claim: string): boolean {
  return name === 'i' ? parseRequestId(value) === parseRequestId(claim) : value === claim;
}

const fixes = (name: string) => new Failure('token_forbids', `the token fixes ${name} to another value`);

/**
 * Refuses what `a` does not take in. Who may make jobs of some types may watch those, or nobody
 * could follow the Location of an answer; the types are returned where it is only that.
 */
function assertAllowed(claims: Claims, { action }: Route): string[] | undefined {
  if (action === null || allows(claims, action)) return undefined;
  const { a = [] } = claims;
  if (action === 'job.read' || action === 'job.log') {
    const types = a.filter((pattern) => Object.keys(jobs).some((type) => allowsAction(pattern, type)));
    if (types.length > 0) return types;
  }
  throw new Failure('token_forbids', `the token does not allow ${action}`);
}

function assertChangeAllowed(claims: Claims, { body }: OriginalRequest, lifetimes: Lifetimes): void {
  if (isTooLong(claims, lifetimes.change))
    throw new Failure('token_forbids', 'the token is valid for too long to change anything');
  if (claims.b !== undefined && claims.b !== hash('sha256', body, 'base64url'))
    throw new Failure('token_forbids', 'the token is for another body');
}
