import type { Redis } from 'ioredis';
import type { Job } from '../../jobs/job.ts';
import { kindOf } from '../../jobs/registry.ts';
import { channels, chargeKeys, keys, listKeys } from '../redis/keys.ts';
import { runScript } from '../scripts/run-script.ts';

/** How an api ends a job on behalf of its host; see scripts/lua/include/end-as.lua. */

const endKeys = (job: Job, state: 'cancelled' | 'failed') => [
  keys.job(job.host, job.id),
  keys.run(job.host, job.id),
  keys.open(job.host),
  keys.line(job.host, kindOf(job.type), job.resource),
  ...chargeKeys(job.host),
  ...listKeys(job.host, job, state),
];

const endArguments = ({ host, id }: Job, keepSeconds: number) => [
  new Date().toISOString(),
  keepSeconds,
  channels.news(host),
  id,
];

/**
 * Cancels a job. A job that has not begun ends at once; for any other, the caller notifies the
 * worker. `sealed` is the cancel request for the worker. Returns the job's previous state.
 */
export const cancelJob = (redis: Redis, job: Job, sealed: string, keepSeconds: number) =>
  runScript(redis, 'cancel', endKeys(job, 'cancelled'), [...endArguments(job, keepSeconds), sealed]);

/**
 * Ends a job that no worker took in time; false when a worker has it, or its time is not up yet.
 */
export const expireJob = (redis: Redis, job: Job, keepSeconds: number) =>
  runScript(redis, 'expire', endKeys(job, 'failed'), endArguments(job, keepSeconds));

/** Ends a job whose host will not come back; false when it has already ended. */
export const abandonJob = (redis: Redis, job: Job, keepSeconds: number) =>
  runScript(redis, 'abandon', endKeys(job, 'failed'), endArguments(job, keepSeconds));
