import { type JobType, jobs } from './registry.ts';

/** What one may ask for without making a job. */
export const readActions = [
  'container.read',
  'container.log',
  'content.read',
  'environment.read',
  'job.read',
  'job.log',
  'host.read',
] as const;

export type Action = JobType | (typeof readActions)[number] | 'job.cancel';

/** Everything a token can allow. */
export const actions = [...(Object.keys(jobs) as JobType[]), ...readActions, 'job.cancel'] as Action[];

const changing: ReadonlySet<string> = new Set([...Object.keys(jobs), 'job.cancel']);

/** Whether an action changes something, so that its token may not live long. */
export const changesSomething = (action: Action): boolean => changing.has(action);
