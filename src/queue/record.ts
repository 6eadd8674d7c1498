import { type ErrorCode, type Problem, problemOf } from '../jobs/errors.ts';
import { isFinal, type Job, type JobState, jobStates, type Outcome, type Progress } from '../jobs/job.ts';
import { parseJson } from '../lib/parse-json.ts';

/** A job as Redis keeps it: the job, and what only we need. */
export interface JobRecord {
  job: Job;
  /** What an api wrote it for; see jobs/payload-version.ts. */
  version: number;
  /** Of the request; tells a replay from another request with the same id. */
  fingerprint: string;
  /** The request as it came, sealed for the worker; empty when the job has finished. */
  sealed: string;
  /** The request to cancel it, sealed; null where nobody has. */
  cancel: string | null;
  /** Milliseconds since the epoch after which no worker is to take it any more; null once one has. */
  waitsUntil: number | null;
  /** How often a worker has begun it and neither ended it nor handed it back: each time but the one now, it died. */
  crashes: number;
  /** When a worker took it, milliseconds since the epoch to the second; null: not yet. */
  takenAt: number | null;
}

/** A hash as Redis returns it, field, value, field, value, … */
export function readHash(flat: readonly string[]): Record<string, string> {
  const hash: Record<string, string> = {};
  for (let i = 0; i + 1 < flat.length; i += 2) hash[flat[i] as string] = flat[i + 1] as string;
  return hash;
}

type Hash = Record<string, string>;

/**
 * The record of a job in its two hashes, by the api and by the worker; null when it is none. Its id is the one it was
 * found under, whatever it says of itself.
 */
export function readRecord(id: string, job: Hash, run: Hash): JobRecord | null {
  const { expiresAt } = job;
  const end = endByApi(id, job);
  const begun = run['state'] ?? 'queued';
  const state = end && !isFinal(begun as JobState) ? end.state : begun;
  if (Object.keys(job).length === 0 || !jobStates.includes(state as JobState)) return null;
  return {
    job: {
      id,
      type: job['type'] ?? '',
      state: state as JobState,
      resource: job['resource'] ?? '',
      host: job['host'] ?? '',
      user: job['user'] ?? '',
      createdAt: job['createdAt'] ?? '',
      startedAt: run['startedAt'] || null,
      finishedAt: run['finishedAt'] || end?.at || null,
      attempts: Number(run['attempts'] ?? 0),
      progress: isFinal(state as JobState) ? null : (json(run['progress']) as Progress | null),
      result: json(run['result']),
      error: (json(run['error']) as Problem | null) ?? end?.error ?? null,
    },
    version: Number(job['v'] ?? 1),
    fingerprint: job['fingerprint'] ?? '',
    sealed: job['sealed'] ?? '',
    cancel: job['cancel'] ?? null,
    waitsUntil: expiresAt && !run['state'] && !run['takenAt'] ? Number(expiresAt) : null,
    crashes: Number(run['crashes'] ?? 0),
    takenAt: run['takenAt'] ? Number(run['takenAt']) * 1000 : null,
  };
}

/** How apis have ended a job for its host, which was not there to do so. */
function endByApi(id: string, job: Hash): { state: JobState; at: string; error: Problem | null } | null {
  const { cancelledAt, expiredAt, abandonedAt, host = '' } = job;
  const failed = (code: ErrorCode, detail: string) => problemOf(code, detail, { job: id, host });
  if (cancelledAt) return { state: 'cancelled', at: cancelledAt, error: null };
  if (expiredAt) {
    const detail = `the host ${host} was away for longer than the job was to wait`;
    return { state: 'failed', at: expiredAt, error: failed('expired', detail) };
  }
  if (!abandonedAt) return null;
  const detail = `the host ${host} was removed from the fleet before the job was over`;
  return { state: 'failed', at: abandonedAt, error: failed('host_unavailable', detail) };
}

/** The fields that an outcome sets, as field, value, … */
export function outcomeFields(outcome: Outcome, finishedAt: string): string[] {
  const fields = ['state', outcome.state, 'finishedAt', finishedAt];
  if (outcome.state !== 'failed' && outcome.result !== undefined)
    fields.push('result', JSON.stringify(outcome.result));
  if (outcome.state === 'failed') fields.push('error', JSON.stringify(outcome.error));
  return fields;
}

/** What a field says; null where it is not there or no JSON. */
function json(text: string | undefined): unknown {
  return text ? parseJson(text) : null;
}
