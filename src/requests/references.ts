import type { Action } from '../jobs/actions.ts';
import { Failure } from '../jobs/errors.ts';
import type { Claims } from '../token/claims.ts';
import { sourceOf } from './copies.ts';
import { isJobOrder, type Order } from './order.ts';
import { allowsAction, allowsResource } from './patterns.ts';

/** What a request refers to beside the resource that it names. */
interface Reference {
  kind: 'repository' | 'environment' | 'network';
  resource: string;
  /** What the token must allow on it; a network needs no more than its name. */
  action?: Action;
  /** Who fixes this claim names it by that, wherever it is and whatever else the token allows. */
  namedBy: 't' | 'b';
}

function referencesOf(order: Order): Reference[] {
  const source = sourceOf(order);
  if (source !== null)
    return [{ kind: 'repository', resource: source, action: 'content.read', namedBy: 't' }];
  if (!isJobOrder(order) || order.wants.command.type !== 'container.install') return [];
  const { environment, network } = order.wants.command.params.spec;
  const references: Reference[] = [];
  if (environment !== undefined)
    references.push({
      kind: 'environment',
      resource: environment,
      action: 'environment.read',
      namedBy: 'b',
    });
  if (network !== undefined) references.push({ kind: 'network', resource: network, namedBy: 'b' });
  return references;
}

/**
 * What a request refers to is authorized like what it names: a gear reads its environment, reaches
 * what is in its network, and a copy reads its source. Throws `token_forbids`, whether there is such a thing or not.
 */
export function mustAllowReferences(claims: Claims, order: Order): void {
  for (const { kind, resource, action, namedBy } of referencesOf(order)) {
    if (claims[namedBy] !== undefined) continue; // A request that says something else has been refused already.
    const { a, r } = claims;
    if (action !== undefined && a !== undefined && !a.some((pattern) => allowsAction(pattern, action)))
      throw new Failure(
        'token_forbids',
        `the token does not allow ${action}, which the ${kind} ${resource} needs`,
      );
    if (r !== undefined && !allowsResource(r, resource))
      throw new Failure('token_forbids', `the token does not allow the ${kind} ${resource}`);
  }
}
