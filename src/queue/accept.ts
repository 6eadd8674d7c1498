import type { Redis } from 'ioredis';
import { Failure } from '../jobs/errors.ts';
import type { Job } from '../jobs/job.ts';
import type { Command } from '../jobs/registry.ts';
import { jobs } from '../jobs/registry.ts';
import type { RequestId } from '../jobs/request-id.ts';
import type { RedisClock } from './clock.ts';
import { commandTimeout } from './connection.ts';
import type { Deliveries } from './deliveries.ts';
import { keys } from './keys.ts';
import { finishJob } from './ledger.ts';
import { type JobRecord, readHash, readRecord } from './record.ts';
import { runScript } from './scripts.ts';

/** A command that has passed the door, ready to be recorded. */
export interface Request {
  id: RequestId;
  command: Command;
  /** Of user, method, path, r, t, h and body: the same id with another one is another request. */
  fingerprint: string;
  user: string;
}

/** What became of a request. */
export type Accepted =
  | { verdict: 'accepted'; job: Job }
  /** The id is known; the caller compares the fingerprints. */
  | { verdict: 'known'; record: JobRecord }
  /** Another host holds the gear than the one tried. */
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
  request: Request,
  host: string,
  limits: Limits,
): Promise<Accepted> {
  const { command, id } = request;
  const { resource } = command.params;
  const { on } = jobs[command.type];
  const job = newJob(request, host);
  const scriptKeys = [
    keys.job(id),
    keys.jobs,
    keys.sequence,
    keys.holders(on),
    keys.open(host),
    keys.line(host, on, resource),
  ];
  // A little less than the time after which we give up: what Redis gets to see later must not take place.
  const deadline = clock.now() + commandTimeout - 100;
  const args = [id, host, resource, deadline, needsOf(command), limits.host, limits.line];
  const recorded = runScript(redis, 'accept', scriptKeys, [...args, ...recordFields(job, request)]);
  const [reply] = await Promise.all([recorded, deliveries.add(host, id, command.type)]);
  const [verdict, more] = reply as [string, unknown];
  switch (verdict) {
    case 'accepted':
      return { verdict, job };
    case 'known':
      return { verdict, record: wholeRecord(more as string[]) };
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

function newJob({ id, command, user }: Request, host: string): Job {
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

function recordFields(job: Job, { fingerprint, command }: Request): string[] {
  const { type, state, resource, host, user, createdAt } = job;
  const params = JSON.stringify(command.params);
  return [
    ...['type', type, 'state', state, 'resource', resource, 'host', host, 'user', user],
    ...['createdAt', createdAt, 'fingerprint', fingerprint, 'params', params],
  ];
}

function wholeRecord(flat: string[]): JobRecord {
  const record = readRecord(readHash(flat));
  if (!record) throw new Failure('internal', 'the record of this request id cannot be read');
  return record;
}

/**
 * Cancels a job: a queued one is over at once; of a running one the worker is to be told by the caller.
 * Returns what it was before.
 */
export async function cancelJob(
  redis: Redis,
  record: JobRecord,
  keepSeconds: number,
): Promise<'queued' | 'running' | 'final' | 'absent'> {
  const before = (await runScript(redis, 'cancel', [keys.job(record.job.id)], [])) as
    | 'queued'
    | 'running'
    | 'final'
    | 'absent';
  if (before === 'queued') await finishJob(redis, record, { state: 'cancelled' }, null, keepSeconds);
  return before;
}
