import type { Action } from '../jobs/actions.ts';
import { copiedFrom } from '../jobs/copy.ts';
import { Failure } from '../jobs/errors.ts';
import type { Claims } from '../token/claims.ts';
import type { Order, OrderOf } from './order.ts';
import { allowsAction, allowsResource } from './patterns.ts';

/** What the holder of a token must be allowed to do with a repository that is to be copied. */
const readsSource: Action = 'content.read';

/** The repository that an order is to copy; null where it is no such order. */
export function sourceOf(order: Order): string | null {
  return isRepositoryOrder(order) && order.wants.command.type === 'repository.create'
    ? copiedFrom(order.wants.command.params.url)
    : null;
}

const isRepositoryOrder = (order: Order): order is OrderOf<'repository.create'> =>
  order.name === 'repository.create';

/**
 * A copy reads its source: the token must allow that too. One that fixes `t` names the source itself, and that is enough,
 * wherever the source is.
 */
export function mustAllowSource({ t, a, r }: Claims, source: string): void {
  if (t !== undefined) return; // A query that says another one has been refused already.
  if (a !== undefined && !a.some((pattern) => allowsAction(pattern, readsSource)))
    throw new Failure('token_forbids', `the token does not allow ${readsSource}, which a copy needs`);
  if (r !== undefined && !allowsResource(r, source))
    throw new Failure('token_forbids', `the token does not allow to read the repository ${source}`);
}

/** Whether an order to copy may be carried out at its source on this host: `h` of the query is the copy's. */
export const mayReadOn = ({ t, h }: Claims, host: string): boolean =>
  t !== undefined || h === undefined || h === host;
