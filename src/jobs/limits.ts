import { z } from 'zod';

/**
 * All limits of a user, a host and the queue, by the name of their option: settings, problem
 * documents, docs/limits.md and, except for the queue's, GET hosts use the same name. A user is the
 * claim `u` of a token, or the token if it has none.
 */

/** A limit that is a number. */
const number = z.number().nonnegative();

/** The limits of one user on each api. */
export const userLimits = z.object({
  userRequests: number,
  userTurns: number,
  userWaits: number,
  userStreams: number,
  userArchives: number,
  userJobs: number,
  userQueueMegabytes: number,
});
export type UserLimits = z.infer<typeof userLimits>;

/** The limits of a host's parallel work and of its gears; its worker announces them. */
export const hostLimits = z.object({
  maxParallelJobs: number,
  maxPulls: number,
  maxStarts: number,
  maxStreams: number,
  maxArchives: number,
  archiveMegabytes: number,
  maxAnswers: number,
  /** Bytes. */
  gearMemory: number,
  gearCpus: number,
  gearPids: number,
  gearLogLines: number,
  /** Bytes. */
  maxGearMemory: number,
  maxGearCpus: number,
  publishPorts: z.string().max(1_000),
  publishAddress: z.array(z.string().max(100)).max(16),
});
export type HostLimits = z.infer<typeof hostLimits>;

/** The limits of the queue, for all users together. */
export const queueLimits = z.object({
  maxJobs: number,
  maxJobsPerGear: number,
  maxQueueMegabytes: number,
});

/** The limits of a host's unfinished jobs. */
export const jobLimits = queueLimits.extend(
  userLimits.pick({ userJobs: true, userQueueMegabytes: true }).shape,
);
export type JobLimits = z.infer<typeof jobLimits>;

export const limitNames = [
  ...userLimits.keyof().options,
  ...hostLimits.keyof().options,
  ...queueLimits.keyof().options,
] as const;
export type LimitName = (typeof limitNames)[number];

/** Whether a list such as `443,1024-65535` contains a port. */
export function includesPort(ranges: string, port: number): boolean {
  return ranges.split(',').some((range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return port >= first && port <= last;
  });
}

/** The demands of a gear on its host; see container.ts. */
interface Asked {
  memory?: number | undefined;
  cpus?: number | undefined;
  ports: { external?: number | undefined }[];
}

/** The limit of a host that a gear exceeds, with the remedy; null: none. */
export function beyondLimits(
  { memory = 0, cpus = 0, ports }: Asked,
  { maxGearMemory, maxGearCpus, publishPorts }: HostLimits,
): string | null {
  if (memory > maxGearMemory) return `memory may be at most ${maxGearMemory} bytes (limit maxGearMemory)`;
  if (cpus > maxGearCpus) return `cpus may be at most ${maxGearCpus} (limit maxGearCpus)`;
  const refused = ports.find(({ external }) => external && !includesPort(publishPorts, external));
  if (!refused) return null;
  return `the external port ${refused.external} may not be published; choose one of ${publishPorts}, or leave it out (limit publishPorts)`;
}
