import type { Redis } from 'ioredis';
import type { Job } from '../../jobs/job.ts';
import { channels, chargeKeys, keys, listKeys } from '../redis/keys.ts';
import { runScript } from '../scripts/run-script.ts';

/** How an api ends a job for its host; see scripts/lua/include/end-as.lua. */

const endKeys = (job: Job, state: 'cancelled' | 'failed') => [
  ...[keys.job(job.host, job.id), keys.run(job.host, job.id), ...chargeKeys(job.host)],
  ...listKeys(job.host, job, state),
];

const endArguments = ({ host, id }: Job, keepSeconds: number) => [
  ...[new Date().toISOString(), keepSeconds, channels.news(host), id],
];

/**
 * Cancels a job: one that was not begun is over at once; of another one the worker is to be told by
 * the caller. `sealed` is the request to cancel, for the worker. Returns what the job was before.
 */
export const cancelJob = (redis: Redis, job: Job, sealed: string, keepSeconds: number) =>
  runScript(redis, 'cancel', endKeys(job, 'cancelled'), [...endArguments(job, keepSeconds), sealed]);

/**
 * Ends a job that no worker has taken in time; false where a worker has it, or where it is not yet
 * time.
 */
export const expireJob = async (redis: Redis, job: Job, keepSeconds: number) =>
  (await runScript(redis, 'expire', endKeys(job, 'failed'), endArguments(job, keepSeconds))) === 1;

/** Ends a job whose host is never to come back; false where it is over already. */
export const abandonJob = async (redis: Redis, job: Job, keepSeconds: number) =>
  (await runScript(redis, 'abandon', endKeys(job, 'failed'), endArguments(job, keepSeconds))) === 1;
