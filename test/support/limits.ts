import type { HostLimits, JobLimits, UserLimits } from '../../src/jobs/limits.ts';

const many = 1_000;

/** Limits that no test comes to unless it says so. */
export const jobLimits = (more: Partial<JobLimits> = {}): JobLimits => ({
  maxJobs: many,
  maxJobsPerGear: many,
  maxQueueMegabytes: many,
  userJobs: many,
  userQueueMegabytes: many,
  ...more,
});

export const userLimits = (more: Partial<UserLimits> = {}): UserLimits => ({
  userRequests: many,
  userTurns: many,
  userWaits: many,
  userStreams: many,
  userArchives: many,
  userJobs: many,
  userQueueMegabytes: many,
  ...more,
});

export const hostLimits = (more: Partial<HostLimits> = {}): HostLimits => ({
  maxParallelJobs: 16,
  maxPulls: 16,
  maxStarts: 16,
  maxStreams: 256,
  maxArchives: 8,
  archiveMegabytes: 128,
  maxAnswers: 16,
  gearMemory: 512 * 1024 * 1024,
  gearCpus: 1,
  gearPids: 1_024,
  gearLogLines: 10_000,
  maxGearMemory: 2 ** 50,
  maxGearCpus: 1_024,
  publishPorts: '1024-65535',
  publishAddress: [],
  ...more,
});
