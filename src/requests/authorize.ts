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
import type { Order, OrderName } from './order.ts';
import type { OriginalRequest } from './original.ts';
import { assertReferencesAllowed } from './references.ts';
import { type Route, routes } from './routes.ts';

/**
 * What a request comes to under the claims of its token: a claim fixes its parameter, what the token leaves open comes
 * from the query. Pure, so that the api and the worker come to the same. Throws why not: `token_forbids`,
 * `invalid_request`, `not_found` or `method_not_allowed`.
 */
export function authorize(claims: Claims, request: OriginalRequest, lifetimes: Lifetimes): Order {
  const matched = routesOf(request.method, request.path);
  const all = fix(claims, parseParameters(request.query));
  const route = selected(matched, all);
  const found = find(route, request.path) ?? '';
  const types = assertAllowed(claims, route);
  if (route.ofHost && claims.r !== undefined)
    throw new Failure('token_forbids', 'the token is for resources of a name, not for hosts');
  if (changesSomething(route.action)) assertChangeAllowed(claims, request, lifetimes);
  const wants = route.wants({ request, all, found });
  if (claims.i !== undefined && 'id' in wants && wants.id !== parseRequestId(claims.i)) throw fixes('i');
  const values = allows(claims, 'environment.read');
  const scope: Scope = { u: all.u, h: all.h, r: all.r ?? claims.r, values, types };
  const order = { name: route.name, action: route.action, all, scope, wants } as Order;
  assertReferencesAllowed(claims, order);
  return order;
}

/** The methods that a path takes; none where there is nothing. */
export function methodsOf(path: string): string[] {
  return [...new Set(routes.filter((route) => find(route, path) !== null).map(({ method }) => method))];
}

/** The name of what a method and a path ask for. Throws `not_found` or `method_not_allowed`. */
export const nameOf = (method: string, path: string): OrderName => routesOf(method, path)[0].name;

/** The routes for a method and a path: one, or some that are told apart by `t`. Throws `not_found` or `method_not_allowed`. */
function routesOf(method: string, path: string): [Route, ...Route[]] {
  const [first, ...others] = routes.filter((one) => one.method === method && find(one, path) !== null);
  if (first) return [first, ...others];
  const allowed = methodsOf(path);
  if (allowed.length === 0)
    throw new Failure('not_found', 'there is nothing at this path; docs/api.md has all of them');
  throw new Failure('method_not_allowed', `this path takes ${allowed.join(', ')}`);
}

/** The variable part of a path; null where the route has another path. */
function find({ path: pattern }: Route, path: string): string | null {
  if (typeof pattern === 'string') return pattern === path ? '' : null;
  const matched = pattern.exec(path);
  return matched ? (matched[1] ?? '') : null;
}

function selected(matched: [Route, ...Route[]], { t }: Parameters): Route {
  const [first] = matched;
  const route = first.t === null ? first : matched.find((one) => one.t === t);
  if (route) return route;
  const types = matched.map((one) => one.t).join(' or ');
  throw new Failure(
    'invalid_request',
    t === undefined ? 't is missing; add it to the query' : `t must be ${types}`,
  );
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
 * Refuses what `a` does not take in. Who may make jobs of some types may watch those, or nobody could follow the
 * Location of an answer; the types are returned where it is only that.
 */
function assertAllowed(claims: Claims, { action }: Route): string[] | undefined {
  if (allows(claims, action)) return undefined;
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
