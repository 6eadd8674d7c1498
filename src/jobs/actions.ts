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

/** What changes something and makes no job. */
const changeActions = ['job.cancel', 'host.remove'] as const;

export type Action = JobType | (typeof readActions)[number] | (typeof changeActions)[number];

/** Everything a token can allow. */
export const actions = [...(Object.keys(jobs) as JobType[]), ...readActions, ...changeActions] as Action[];

const changing: ReadonlySet<string> = new Set([...Object.keys(jobs), ...changeActions]);

/** Whether an action changes something, so that its token may not live long. */
export const changesSomething = (action: Action): boolean => changing.has(action);
