import type { Action } from '../jobs/actions.ts';
import { type Command, isJobType, type JobType } from '../jobs/registry.ts';
import type { RequestId } from '../jobs/request-id.ts';
import type { archiveFormats } from '../jobs/streams.ts';
import type { Parameters } from './parameters.ts';

/** A request that is to become a job. */
export interface Change {
  id: RequestId;
  user: string;
  command: Command;
  /** Seconds for which it may wait for its host. */
  expires: number;
  /** Of user, method, path, r, t, h and body: the same id with another one is another request. */
  fingerprint: string;
}

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

/** What somebody may see of what there is: everything where nothing is said. */
export interface Scope {
  u?: string | undefined;
  h?: string | undefined;
  /** A name, or the beginning of names and a star. */
  r?: string | undefined;
  /** Whether values of variables may be read. */
  values?: boolean;
  /** Patterns of the types of jobs. */
  types?: readonly string[] | undefined;
}

/** What a request, under its token, comes to. */
export type OrderOf<N extends OrderName> = {
  [K in N]: { name: K; action: Action; all: Parameters; scope: Scope; wants: Wants[K] };
}[N];
export type Order = OrderOf<OrderName>;

/** Whether an order is to become a job. */
export const isJobOrder = (order: Order): order is OrderOf<JobType> => isJobType(order.name);
