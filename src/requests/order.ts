import type { Scope } from '../jobs/access/scope.ts';
import type { Change } from '../jobs/change.ts';
import type { Parameters } from '../jobs/parameters.ts';
import { isJobType, type JobType, type ReadWants } from '../jobs/registry.ts';

/** The `wants` of each kind of request, by its name. */
export type Wants = { [T in JobType]: Change } & ReadWants;
export type OrderName = keyof Wants;

/** An authorized request. */
export type OrderOf<N extends OrderName> = {
  [K in N]: { name: K; all: Parameters; scope: Scope; wants: Wants[K] };
}[N];
export type Order = OrderOf<OrderName>;

/** Whether an order becomes a job. */
export const isJobOrder = (order: Order): order is OrderOf<JobType> => isJobType(order.name);
