import type { z } from 'zod';
import type { ReadDefinition } from './define.ts';
import type { LineKind } from './fields/resource.ts';
import {
  containerInstall,
  containerRemove,
  containerRestart,
  containerStart,
  containerStop,
  type GearSpec,
} from './types/container.ts';
import { containerList, containerLog, containerLogPut, containerRead } from './types/container-reads.ts';
import { environmentMerge, environmentRead, environmentReplace } from './types/environment.ts';
import { driftRead, hostDrain, hostList, hostRemove, hostRepair, hostUndrain } from './types/host.ts';
import { jobCancel, jobList, jobLog, jobRead } from './types/job.ts';
import { contentArchive, repositoryCreate } from './types/repository.ts';
import { whoami } from './types/token.ts';

/** All types of jobs. A handler that is missing in the worker does not compile. */
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

/**
 * All requests that make no job. A route that is missing in the api does not compile. Of several
 * with one action, `gear token create` writes the first.
 */
export const reads = {
  'container.read': containerRead,
  'container.list': containerList,
  'container.log': containerLog,
  'content.archive': contentArchive,
  'environment.read': environmentRead,
  'job.list': jobList,
  'job.read': jobRead,
  'job.log': jobLog,
  'job.cancel': jobCancel,
  'host.list': hostList,
  'drift.read': driftRead,
  'host.remove': hostRemove,
  whoami,
} as const;

/** Other ways to write a request. */
export const aliases: readonly [ReadName, ReadDefinition][] = [['container.log', containerLogPut]];

export type JobType = keyof typeof jobs;
export const jobTypes = Object.keys(jobs) as JobType[];
/** The parameters of a handler: the name of the resource, and those that the definition makes. */
export type Params<T extends JobType> = { resource: string } & ReturnType<(typeof jobs)[T]['paramsOf']>;
export type Result<T extends JobType> = z.infer<(typeof jobs)[T]['result']>;

export type ReadName = keyof typeof reads;
export const readNames = Object.keys(reads) as ReadName[];
export type ReadAction = NonNullable<(typeof reads)[ReadName]['action']>;
/** The document that a read answers with. */
export type Answer<N extends ReadName> = z.infer<(typeof reads)[N]['answer']>;
/** The `wants` of each read, by its name. */
export type ReadWants = { [N in ReadName]: ReturnType<(typeof reads)[N]['wants']> };

/** One request made ready for a host: the type and its checked parameters. */
export type Command = { [T in JobType]: { type: T; params: Params<T> } }[JobType];

/** The gear that a command installs; undefined for any other command. */
export const specOf = ({ type, params }: Command): GearSpec | undefined =>
  type === 'container.install' ? params.spec : undefined;

/** The kind that a type of job works on; an unknown type counts as one on gears. */
export const kindOf = (type: string): LineKind => (isJobType(type) ? jobs[type].on : 'gear');

export function isJobType(text: string): text is JobType {
  return Object.hasOwn(jobs, text);
}
