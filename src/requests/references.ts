import type { Action } from '../jobs/actions.ts';
import { Failure } from '../jobs/errors.ts';
import type { Claims } from '../token/claims.ts';
import { sourceOf } from './copies.ts';
import { isJobOrder, type Order } from './order.ts';
import { allows, allowsResource } from './patterns.ts';

/** What a request refers to beside the resource that it names. */
interface Reference {
  kind: 'repository' | 'environment' | 'gear';
  resource: string;
  /** What the token must allow on it. */
  action: Action;
  /** Who fixes this claim names it by that, wherever it is and whatever else the token allows. */
  namedBy: 't' | 'b';
}

function referencesOf(order: Order): Reference[] {
  const source = sourceOf(order);
  if (source !== null)
    return [{ kind: 'repository', resource: source, action: 'content.read', namedBy: 't' }];
  if (!isJobOrder(order) || order.wants.command.type !== 'container.install') return [];
  const { resource, spec } = order.wants.command.params;
  const environments = spec.environment === undefined ? [] : [spec.environment];
  const owners = spec.volumes.flatMap(({ of }) => (of === undefined || of === resource ? [] : [of]));
  return [
    ...environments.map((name) => inBody('environment', name, 'environment.read')),
    ...owners.map((name) => inBody('gear', name, 'container.install')),
  ];
}

const inBody = (kind: Reference['kind'], resource: string, action: Action): Reference => ({
  ...{ kind, resource, action },
  namedBy: 'b',
});

/**
 * What a request refers to is authorized like what it names: a gear reads its environment and the volumes
 * that others share with it, and a copy its source. Throws
 * `token_forbids`, whether there is such a thing or not.
 */
export function mustAllowReferences(claims: Claims, order: Order): void {
  for (const { kind, resource, action, namedBy } of referencesOf(order)) {
    if (claims[namedBy] !== undefined) continue; // A request that says something else has been refused already.
    const { r } = claims;
    if (!allows(claims, action))
      throw new Failure(
        'token_forbids',
        `the token does not allow ${action}, which the ${kind} ${resource} needs`,
      );
    if (r !== undefined && !allowsResource(r, resource))
      throw new Failure('token_forbids', `the token does not allow the ${kind} ${resource}`);
  }
}
