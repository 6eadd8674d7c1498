import { copiedFrom } from '../jobs/rpc/copy.ts';
import type { Claims } from '../token/claims.ts';
import { isJobOrder, type Order } from './order.ts';

/** The repository that an order is to copy; null where it is no such order. */
export function sourceOf(order: Order): string | null {
  return isJobOrder(order) && order.wants.command.type === 'repository.create'
    ? copiedFrom(order.wants.command.params.url)
    : null;
}

/** Whether an order to copy may be carried out at its source on this host: `h` of the query is the copy's. */
export const mayReadOn = ({ t, h }: Claims, host: string): boolean =>
  t !== undefined || h === undefined || h === host;
