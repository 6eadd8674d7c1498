import { type JobType, jobs } from '../../jobs/registry.ts';
import type { ApiQueue } from '../../queue/api-queue.ts';
import type { OrderHandler } from '../dispatch.ts';
import { submit } from '../submit.ts';

/** Requests that become jobs. */
export function changes(queue: ApiQueue): { [T in JobType]: OrderHandler<JobType> } {
  const handler: OrderHandler<JobType> = (req, res, order) => submit(queue, req, res, order);
  return Object.fromEntries(Object.keys(jobs).map((type) => [type, handler])) as ReturnType<typeof changes>;
}
