import { allows, allowsResource } from '../jobs/access/patterns.ts';
import type { Action } from '../jobs/actions.ts';
import { Failure } from '../jobs/errors.ts';
import { copiedFrom } from '../jobs/rpc/copy.ts';
import type { Claims } from '../token/claims.ts';
import { isJobOrder, type Order } from './order.ts';

/** The repository that an order copies; null for any other order. */
export function sourceOf(order: Order): string | null {
  return isJobOrder(order) && order.wants.command.type === 'repository.create'
    ? copiedFrom(order.wants.command.params.url)
    : null;
}

/**
 * Whether the claims let a copy read its source on this host; `h` of the query is the copy's host.
 */
export const mayReadOn = ({ t, h }: Claims, host: string): boolean =>
  t !== undefined || h === undefined || h === host;

/** Something that a request refers to besides its own resource. */
interface Reference {
  kind: 'repository' | 'environment' | 'gear' | 'network';
  resource: string;
  /** The action that the token must allow on it; a network needs only its name. */
  action?: Action;
  /** A token with this claim names the reference, wherever it is and whatever else it allows. */
  namedBy: 't' | 'b';
}

function* referencesOf(order: Order): Generator<Reference> {
  const source = sourceOf(order);
  if (source !== null) yield { kind: 'repository', resource: source, action: 'content.read', namedBy: 't' };
  if (!isJobOrder(order) || order.wants.command.type !== 'container.install') return;
  const { resource, spec } = order.wants.command.params;
  const { environment, network, volumes } = spec;
  if (environment !== undefined)
    yield { kind: 'environment', resource: environment, action: 'environment.read', namedBy: 'b' };
  if (network !== undefined) yield { kind: 'network', resource: network, namedBy: 'b' };
  for (const { of: owner } of volumes)
    if (owner !== undefined && owner !== resource)
      yield { kind: 'gear', resource: owner, action: 'container.install', namedBy: 'b' };
}

/**
 * Authorizes the references of a request like its own resource: a gear reads its environment and
 * the volumes that others share with it, and reaches its network; a copy reads its source. Throws
 * `token_forbids`, whether the reference exists or not.
 */
export function assertReferencesAllowed(claims: Claims, order: Order): void {
  for (const { kind, resource, action, namedBy } of referencesOf(order)) {
    if (claims[namedBy] !== undefined) continue; // A request with another value has already failed.
    if (action !== undefined && !allows(claims, action))
      throw new Failure(
        'token_forbids',
        `the token does not allow ${action}, which the ${kind} ${resource} needs`,
      );
    if (!allowsResource(claims.r, resource))
      throw new Failure('token_forbids', `the token does not allow the ${kind} ${resource}`);
  }
}
