import type { z } from 'zod';
import {
  containerInstall,
  containerRemove,
  containerRestart,
  containerStart,
  containerStop,
} from './container.ts';

/** Every type of job there is. A handler that is missing in the worker does not compile. */
export const jobs = {
  'container.install': containerInstall,
  'container.start': containerStart,
  'container.stop': containerStop,
  'container.restart': containerRestart,
  'container.remove': containerRemove,
} as const;

export type JobType = keyof typeof jobs;
export type Params<T extends JobType> = z.infer<(typeof jobs)[T]['params']>;
export type Result<T extends JobType> = z.infer<(typeof jobs)[T]['result']>;

/** One request made ready for a host: the type and its checked parameters. */
export type Command = { [T in JobType]: { type: T; params: Params<T> } }[JobType];

export function isJobType(text: string): text is JobType {
  return Object.hasOwn(jobs, text);
}
