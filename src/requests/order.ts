import type { Scope } from '../jobs/access/scope.ts';
import type { Action } from '../jobs/actions.ts';
import type { Change } from '../jobs/change.ts';
import type { RequestId } from '../jobs/fields/request-id.ts';
import { isJobType, type JobType } from '../jobs/registry.ts';
import type { archiveFormats } from '../jobs/rpc/streams.ts';
import type { Parameters } from './parameters.ts';

interface OnResource {
  resource: string;
}

interface OnJob {
  id: RequestId;
}

/** What each kind of request wants, by its name. */
export type Wants = { [T in JobType]: Change } & {
  'container.read': OnResource;
  'container.list': object;
  'container.log': OnResource & { lines: number; seconds: number };
  'content.archive': OnResource & { ref: string | null; format: (typeof archiveFormats)[number] };
  'environment.read': OnResource;
  'job.read': OnJob;
  'job.list': object;
  'job.log': OnJob;
  'job.cancel': OnJob;
  'host.list': object;
  'host.remove': { host: string };
  'drift.read': object;
};
export type OrderName = keyof Wants;

/** What a request, under its token, comes to. */
export type OrderOf<N extends OrderName> = {
  [K in N]: { name: K; action: Action; all: Parameters; scope: Scope; wants: Wants[K] };
}[N];
export type Order = OrderOf<OrderName>;

/** Whether an order is to become a job. */
export const isJobOrder = (order: Order): order is OrderOf<JobType> => isJobType(order.name);
