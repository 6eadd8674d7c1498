import { isIP } from 'node:net';
import { availableParallelism, totalmem } from 'node:os';
import { z } from 'zod';
import { MiB } from '../jobs/bytes.ts';
import { cpus, memory } from '../jobs/container.ts';
import { hostLimits, queueLimits, userLimits } from '../jobs/limits.ts';
import { wholeNumber } from './option-definition.ts';

function limit<S extends z.ZodType>(flag: string, takes: string, preset: string, help: string, schema: S) {
  const env = `GEARD_${flag.slice(2).toUpperCase().replaceAll('-', '_')}`;
  return { flag, env, takes, default: preset, help, schema };
}

const count = (flag: string, preset: string, help: string) =>
  limit(flag, '<number>', preset, help, wholeNumber(1, 100_000));

const megabytes = (flag: string, preset: string, help: string) =>
  limit(flag, '<MiB>', preset, help, wholeNumber(1, 1_048_576));

/** Half of what the host has, so that no gear takes all of it; more where the default is more than that. */
const usualMemory = 512;
const mostMemory = Math.max(usualMemory, Math.floor(totalmem() / MiB / 2));

const portList = z
  .string()
  .max(1_000)
  .refine(
    (text) => text.split(',').every(isPortRange),
    'must be ports and ranges with commas, such as 443,1024-65535',
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

/** Every limit, in the order in which help shows them. docs/limits.md is held against it by a test. */
export const limitOptions = {
  userRequests: count('--user-requests', '64', 'requests of one user in flight, at one api'),
  userWaits: count('--user-waits', '128', 'requests of one user that wait for a job, at one api'),
  userStreams: count('--user-streams', '128', 'logs that one user follows, at one api'),
  userArchives: count('--user-archives', '4', 'archives that one user fetches at a time, at one api'),
  userJobs: count('--user-jobs', '1000', 'unfinished jobs of one user on one host'),
  userQueueMegabytes: megabytes(
    '--user-queue-megabytes',
    '32',
    'what the unfinished jobs of one user on one host may take in Redis',
  ),
  maxJobs: count('--max-jobs', '10000', 'unfinished jobs of one host'),
  maxJobsPerGear: count('--max-jobs-per-gear', '100', 'unfinished jobs on one gear'),
  maxQueueMegabytes: megabytes(
    '--max-queue-megabytes',
    '256',
    'what the unfinished jobs of one host may take in Redis',
  ),
  maxParallelJobs: count(
    '--max-parallel-jobs',
    '8',
    'jobs of this host that run side by side; the others wait',
  ),
  maxPulls: count('--max-pulls', '2', 'images that are pulled at a time; the others wait'),
  maxStreams: count('--max-streams', '256', 'logs that this host sends at a time'),
  maxArchives: count(
    '--max-archives',
    '4',
    'archives and copies that this host makes at a time; others wait a little',
  ),
  archiveMegabytes: megabytes('--archive-megabytes', '128', 'memory that git may take for one archive'),
  maxAnswers: count('--max-answers', '16', 'reads that this host answers at a time; the others wait'),
  gearMemory: limit(
    '--gear-memory',
    '<bytes>',
    `${usualMemory}m`,
    'memory of a gear whose spec names none',
    memory,
  ),
  gearCpus: limit('--gear-cpus', '<number>', '1', 'CPUs of a gear whose spec names none', cpus),
  gearPids: count('--gear-pids', '1024', 'processes and threads of a gear'),
  maxGearMemory: limit(
    '--max-gear-memory',
    '<bytes>',
    `${mostMemory}m`,
    'the most memory that a spec may name',
    memory,
  ),
  maxGearCpus: limit(
    '--max-gear-cpus',
    '<number>',
    String(availableParallelism()),
    'the most CPUs that a spec may name',
    cpus,
  ),
  publishPorts: limit(
    '--publish-ports',
    '<list>',
    '1024-65535',
    'external ports that a spec may name, such as 443,1024-65535',
    portList,
  ),
  publishAddress: limit(
    '--publish-address',
    '<list>',
    '',
    'addresses on which ports are published, with commas; none: all',
    addresses,
  ),
} as const;

export const ofApiLimits = [...userLimits.keyof().options, ...queueLimits.keyof().options];
export const ofHostLimits = hostLimits.keyof().options;
