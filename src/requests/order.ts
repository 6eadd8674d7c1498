import type { Scope } from '../jobs/access/scope.ts';
import type { Action } from '../jobs/actions.ts';
import type { Change } from '../jobs/change.ts';
import type { Parameters } from '../jobs/parameters.ts';
import { isJobType, type JobType, type ReadWants } from '../jobs/registry.ts';

/** What each kind of request wants, by its name. */
export type Wants = { [T in JobType]: Change } & ReadWants;
export type OrderName = keyof Wants;

/** What a request, under its token, comes to. */
export type OrderOf<N extends OrderName> = {
  [K in N]: { name: K; action: Action | null; all: Parameters; scope: Scope; wants: Wants[K] };
}[N];
export type Order = OrderOf<OrderName>;

/** Whether an order becomes a job. */
export const isJobOrder = (order: Order): order is OrderOf<JobType> => isJobType(order.name);
