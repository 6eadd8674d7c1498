import { isIP } from 'node:net';
import { availableParallelism, totalmem } from 'node:os';
import { z } from 'zod';
import { MiB } from '../../jobs/fields/bytes.ts';
import { hostLimits, queueLimits, userLimits } from '../../jobs/limits.ts';
import { cpus, memory } from '../../jobs/types/container.ts';
import { count, megabytes, withDefault } from './option-definition.ts';

const number = (preset: string, help: string) => count(preset, '<number>', 100_000, help);

/**
 * Default memory of a gear, and its maximum, in MiB: half of the host's memory, so that no gear
 * takes all of it.
 */
const defaultMemory = 512;
const maxGearMemory = Math.max(defaultMemory, Math.floor(totalmem() / MiB / 2));
const hostCpus = String(availableParallelism());

const ports = z
  .string()
  .max(1_000)
  .refine(
    (text) => text.split(',').every(isPortRange),
    'must be ports and ranges with commas: 443,1024-65535',
  );

function isPortRange(text: string): boolean {
  const [first = 0, last = first] = /^\d{1,5}(?:-\d{1,5})?$/.test(text) ? text.split('-').map(Number) : [];
  return first >= 1 && first <= last && last <= 65_535;
}

const addresses = z
  .string()
  .max(1_000)
  .transform((text) => text.split(',').filter(Boolean))
  .refine((all) => all.length <= 16 && all.every((one) => isIP(one) !== 0), 'must be addresses with commas');

/** All limits, in the order of the help. A test compares docs/limits.md with them. */
export const limitOptions = {
  userRequests: number('64', 'requests of one user in flight, at one api'),
  userTurns: number(
    '4',
    'requests of one user that an api works on concurrently while other users send requests, too',
  ),
  userWaits: number('128', 'requests of one user that wait for a job, at one api'),
  userStreams: number('128', 'logs that one user follows, at one api'),
  userArchives: number('4', 'archives that one user fetches concurrently, at one api'),
  userJobs: number('1000', 'unfinished jobs of one user on one host'),
  userQueueMegabytes: megabytes('32', 'size in Redis of the unfinished jobs of one user on one host'),
  maxJobs: number('10000', 'unfinished jobs of one host'),
  maxJobsPerGear: number('100', 'unfinished jobs on one gear, repository or environment'),
  maxQueueMegabytes: megabytes('256', 'size in Redis of all unfinished jobs of one host'),
  maxParallelJobs: number('8', 'concurrent jobs of this host; the others wait'),
  maxPulls: number('2', 'concurrent image pulls; the others wait'),
  maxStarts: {
    ...number(hostCpus, 'concurrent starts of gears; the others wait'),
    defaultInWords: "the host's processors",
  },
  maxStreams: number('512', 'logs that this host sends concurrently'),
  maxArchives: number('4', 'archives and copies that this host creates concurrently'),
  archiveMegabytes: megabytes('128', 'memory that git may use for one archive'),
  maxAnswers: number('4', 'reads that this host answers concurrently; the others wait'),
  gearMemory: withDefault(`${defaultMemory}m`, '<bytes>', memory, 'memory of a gear whose spec names none'),
  gearCpus: withDefault('1', '<number>', cpus, 'CPUs of a gear whose spec names none'),
  gearPids: number('1024', 'processes and threads of a gear'),
  gearLogLines: count('10000', '<number>', 1_000_000_000, 'lines that a gear may log in 30 seconds'),
  maxGearMemory: {
    ...withDefault(`${maxGearMemory}m`, '<bytes>', memory, 'maximum memory in a spec'),
    defaultInWords: "half of the host's",
  },
  maxGearCpus: {
    ...withDefault(hostCpus, '<number>', cpus, 'maximum number of CPUs in a spec'),
    defaultInWords: "the host's processors",
  },
  publishPorts: withDefault(
    '1024-2222,2224-65535',
    '<list>',
    ports,
    'external ports allowed in a spec: 443,1024-65535',
  ),
  publishAddress: withDefault('', '<list>', addresses, 'addresses on which ports are published; empty: all'),
};

export const ofApiLimits = [...userLimits.keyof().options, ...queueLimits.keyof().options];
export const ofHostLimits = hostLimits.keyof().options;
