import { z } from 'zod';

/**
 * Every bound that one user or one host may come to, by the name of its option: a limit is called
 * so in the settings, in GET hosts, in problem documents and in docs/limits.md. A user is the claim
 * `u` of a token, or the token where it has none.
 */
const number = z.number().nonnegative();

/** What each api grants one user. */
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

/** What a host does at a time, and what it gives a gear; its worker announces it. */
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

/** Bounds of the queue, for everybody together. */
export const queueLimits = z.object({
  maxJobs: number,
  maxJobsPerGear: number,
  maxQueueMegabytes: number,
});

/** What the unfinished jobs of a host may come to. */
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

/** Whether a list such as `443,1024-65535` has a port in it. */
export function includesPort(ranges: string, port: number): boolean {
  return ranges.split(',').some((range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return port >= first && port <= last;
  });
}

/** What of a host a gear asks for; see container.ts. */
interface Asked {
  memory?: number | undefined;
  cpus?: number | undefined;
  ports: { external?: number | undefined }[];
}

/** What of a gear a host does not grant, in words that mend it; null: nothing. */
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
