import { hash } from 'node:crypto';
import { allows, allowsAction, allowsResource } from '../jobs/access/patterns.ts';
import type { Scope } from '../jobs/access/scope.ts';
import { changesSomething } from '../jobs/actions.ts';
import { Failure, tokenInvalid } from '../jobs/errors.ts';
import { parseRequestId } from '../jobs/fields/request-id.ts';
import { type Parameters, parseParameters } from '../jobs/parameters.ts';
import { jobTypes } from '../jobs/registry.ts';
import type { Claims } from '../token/claims.ts';
import { isTooLong, type Lifetimes, type Verifier } from '../token/verifier.ts';
import type { Order } from './order.ts';
import type { OriginalRequest } from './original.ts';
import { assertReferencesAllowed } from './references.ts';
import { matchRoute, type Route, type RouteMatch, selectRoute } from './routes.ts';

/**
 * Combines a request with the claims of its token: a claim fixes its parameter, and the query sets
 * the parameters that the token leaves open. `match` is the result of `matchRoute` for the request.
 * Pure, so that the api and the worker get the same order. Throws `token_forbids` or
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
  const types = allowedTypes(claims, route);
  if (route.ofHost && claims.r !== undefined)
    throw new Failure('token_forbids', 'the token is for named resources, not for hosts');
  if (route.action !== null && changesSomething(route.action))
    assertChangeAllowed(claims, request, lifetimes);
  const wants = route.wants({ request, all, found });
  if (claims.i !== undefined && 'id' in wants && wants.id !== parseRequestId(claims.i))
    throw fixedByToken('i');
  const values = allows(claims, 'environment.read');
  const scope: Scope = { u: all.u, h: all.h, r: all.r ?? claims.r, values, types };
  const order = { name: route.name, all, scope, wants } as Order;
  assertReferencesAllowed(claims, order);
  return order;
}

/**
 * Derives the order of a sealed request from a token of a trusted issuer, expired or not. Throws
 * `token_invalid`, or as `authorize` does.
 */
export async function readOrder(
  { token, request }: { token: string; request: OriginalRequest },
  verifier: Verifier,
): Promise<{ claims: Claims; order: Order }> {
  const claims = await verifier.read(token);
  if (!claims) throw tokenInvalid();
  return { claims, order: authorize(claims, request, matchRoute(request), verifier.lifetimes) };
}

const fixable = ['u', 'd', 'i', 't', 'r', 'h'] as const;

function fix(claims: Claims, given: Parameters): Parameters {
  const fixed: Parameters = { ...given };
  for (const name of fixable) {
    const claim = claims[name];
    if (claim === undefined) continue;
    const value = given[name];
    if (name === 'r' && String(claim).endsWith('*')) {
      if (value !== undefined && !allowsResource(String(claim), value))
        throw new Failure(
          'token_forbids',
          'the token does not allow this name; GET whoami shows which it does',
        );
      continue; // The claim leaves open which name it is.
    }
    if (value !== undefined && !isSame(name, value, String(claim))) throw fixedByToken(name);
    fixed[name] = String(claim);
  }
  return fixed;
}

/** Leading zeros of a request id do not matter. */
function isSame(name: (typeof fixable)[number], value: string, claim: string): boolean {
  return name === 'i' ? parseRequestId(value) === parseRequestId(claim) : value === claim;
}

const fixedByToken = (name: string) =>
  new Failure('token_forbids', `the token fixes ${name} to another value; leave ${name} out`);

/**
 * The types of jobs that a request may see; undefined: no limit. A token for jobs of some types may
 * also watch those, or its client could not follow the Location of an answer. Throws
 * `token_forbids` for any other action that `a` does not cover.
 */
function allowedTypes(claims: Claims, { action }: Route): string[] | undefined {
  if (action === null || allows(claims, action)) return undefined;
  const { a = [] } = claims;
  if (action === 'job.read' || action === 'job.log') {
    const types = a.filter((pattern) => jobTypes.some((type) => allowsAction(pattern, type)));
    if (types.length > 0) return types;
  }
  throw new Failure('token_forbids', `the token does not allow ${action}; GET whoami shows what it allows`);
}

function assertChangeAllowed(claims: Claims, { body }: OriginalRequest, lifetimes: Lifetimes): void {
  if (isTooLong(claims, lifetimes.change))
    throw new Failure(
      'token_forbids',
      'the token is valid for too long to change anything; make one with a shorter lifetime (gear token create --expires)',
    );
  if (claims.b !== undefined && claims.b !== hash('sha256', body, 'base64url'))
    throw new Failure(
      'token_forbids',
      'the token is for another body; send exactly the one that it was made for',
    );
}
