import type { Redis } from 'ioredis';
import { Failure } from '../jobs/errors.ts';
import type { Job } from '../jobs/job.ts';
import type { Command } from '../jobs/registry.ts';
import { jobs } from '../jobs/registry.ts';
import type { Change } from '../requests/order.ts';
import type { RedisClock } from './clock.ts';
import { commandTimeout } from './connection.ts';
import type { Deliveries } from './deliveries.ts';
import { channels, keys } from './keys.ts';
import type { JobRecord } from './record.ts';
import { runScript } from './scripts.ts';

/** A change that has passed the door, ready to be recorded. */
export interface Wish extends Change {
  /** The request as it came, sealed for the worker of a host. */
  seal(host: string): string;
}

/** What became of a request. */
export type Accepted =
  | { verdict: 'accepted'; job: Job }
  /** The id is known: it became a job of this host. */
  | { verdict: 'known'; host: string }
  /** The directory names another host than the one tried. */
  | { verdict: 'elsewhere'; host: string }
  | { verdict: 'missing' }
  | { verdict: 'exists' }
  | { verdict: 'full'; what: 'host' | 'line' };

export interface Limits {
  /** Unfinished jobs of one host. */
  host: number;
  /** Unfinished jobs on one gear. */
  line: number;
}

/**
 * Records a request for a host and hands it to the host's queue, in one round trip: the delivery carries nothing
 * but the id and is dropped by the worker where the record says otherwise, so that it may be sent at once.
 * Throws `queue_unavailable`.
 */
export async function accept(
  redis: Redis,
  clock: RedisClock,
  deliveries: Deliveries,
  wish: Wish,
  host: string,
  limits: Limits,
  keepSeconds: number,
): Promise<Accepted> {
  const { command, id } = wish;
  const { resource } = command.params;
  const { on } = jobs[command.type];
  const job = newJob(wish, host);
  const ofFleet = [keys.jobs, keys.sequence, keys.holders(on)];
  const ofHost = [keys.open(host), keys.line(host, on, resource), keys.held(host, on)];
  const scriptKeys = [keys.id(id), keys.job(host, id), ...ofFleet, ...ofHost];
  // A little less than the time after which we give up: what Redis gets to see later must not take place.
  const deadline = clock.now() + commandTimeout - 100;
  const args = [
    id,
    host,
    resource,
    deadline,
    needsOf(command),
    limits.host,
    limits.line,
    idSeconds(keepSeconds),
  ];
  const recorded = runScript(redis, 'accept', scriptKeys, [...args, ...recordFields(job, wish)]);
  const [reply] = await Promise.all([recorded, deliveries.add(host, id, command.type)]);
  const [verdict, more] = reply as [string, unknown];
  switch (verdict) {
    case 'accepted':
      return { verdict, job };
    case 'known':
    case 'elsewhere':
      return { verdict, host: String(more) };
    case 'missing':
    case 'exists':
      return { verdict };
    case 'full':
      return { verdict, what: more === 'line' ? 'line' : 'host' };
    default:
      throw new Failure('queue_unavailable', 'the queue answered too late; send the request again');
  }
}

function needsOf(command: Command): string {
  if (command.type === 'container.install' && command.params.createOnly) return 'absence';
  return jobs[command.type].needs;
}

function newJob({ id, command, user }: Wish, host: string): Job {
  return {
    id,
    type: command.type,
    state: 'queued',
    resource: command.params.resource,
    host,
    user,
    createdAt: new Date().toISOString(),
    startedAt: null,
    finishedAt: null,
    attempts: 0,
    progress: null,
    result: null,
    error: null,
  };
}

function recordFields(job: Job, { fingerprint, seal }: Wish): string[] {
  const { type, resource, host, user, createdAt } = job;
  return [
    ...['type', type, 'resource', resource, 'host', host, 'user', user],
    ...['createdAt', createdAt, 'fingerprint', fingerprint, 'sealed', seal(host)],
  ];
}

/** An id is remembered for longer than its job, which counts from its end. */
const idSeconds = (keepSeconds: number) => 2 * keepSeconds + 30 * 24 * 60 * 60;

/**
 * Cancels a job: one that was not begun is over at once; of another one the worker is to be told by the caller.
 * `sealed` is the request to cancel, for the worker. Returns what the job was before.
 */
export async function cancelJob(
  redis: Redis,
  { job: { id, host } }: JobRecord,
  sealed: string,
  keepSeconds: number,
): Promise<'queued' | 'running' | 'final' | 'absent'> {
  const now = new Date().toISOString();
  const scriptKeys = [keys.job(host, id), keys.run(host, id)];
  const args = [now, sealed, keepSeconds, channels.news(host), id];
  return (await runScript(redis, 'cancel', scriptKeys, args)) as 'queued' | 'running' | 'final' | 'absent';
}
