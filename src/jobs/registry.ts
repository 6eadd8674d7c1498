import type { z } from 'zod';
import type { LineKind } from './fields/resource.ts';
import {
  containerInstall,
  containerRemove,
  containerRestart,
  containerStart,
  containerStop,
} from './types/container.ts';
import { environmentMerge, environmentReplace } from './types/environment.ts';
import { hostDrain, hostRepair, hostUndrain } from './types/host.ts';
import { repositoryCreate } from './types/repository.ts';

/** Every type of job there is. A handler that is missing in the worker does not compile. */
export const jobs = {
  'container.install': containerInstall,
  'container.start': containerStart,
  'container.stop': containerStop,
  'container.restart': containerRestart,
  'container.remove': containerRemove,
  'repository.create': repositoryCreate,
  'environment.replace': environmentReplace,
  'environment.merge': environmentMerge,
  'host.drain': hostDrain,
  'host.undrain': hostUndrain,
  'host.repair': hostRepair,
} as const;

export type JobType = keyof typeof jobs;
export type Params<T extends JobType> = z.infer<(typeof jobs)[T]['params']>;
export type Result<T extends JobType> = z.infer<(typeof jobs)[T]['result']>;

/** One request made ready for a host: the type and its checked parameters. */
export type Command = { [T in JobType]: { type: T; params: Params<T> } }[JobType];

/** What a type of job works on; a type we do not know counts as one on gears. */
export const kindOf = (type: string): LineKind => (isJobType(type) ? jobs[type].on : 'gear');

export function isJobType(text: string): text is JobType {
  return Object.hasOwn(jobs, text);
}
