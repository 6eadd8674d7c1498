import type { Problem } from '../jobs/errors.ts';
import { isFinal, type Job, type JobState, jobStates, type Outcome, type Progress } from '../jobs/job.ts';
import { parseJson } from '../lib/parse-json.ts';

/** A job as Redis keeps it: the job, and what only we need. */
export interface JobRecord {
  job: Job;
  /** Of the request; tells a replay from another request with the same id. */
  fingerprint: string;
  /** The command's parameters as the api accepted them; gone when the job has finished. */
  params: unknown;
  /** Somebody asked for its end. */
  cancel: boolean;
}

/** A hash as Redis returns it, field, value, field, value, … */
export function readHash(flat: readonly string[]): Record<string, string> {
  const hash: Record<string, string> = {};
  for (let i = 0; i + 1 < flat.length; i += 2) hash[flat[i] as string] = flat[i + 1] as string;
  return hash;
}

/** The record in a hash, or null when it is not one (Redis content is not trusted to be whole). */
export function readRecord(hash: Record<string, string>): JobRecord | null {
  const { id, state } = hash;
  if (!id || !jobStates.includes(state as JobState)) return null;
  return {
    job: {
      id,
      type: hash['type'] ?? '',
      state: state as JobState,
      resource: hash['resource'] ?? '',
      host: hash['host'] ?? '',
      user: hash['user'] ?? '',
      createdAt: hash['createdAt'] ?? '',
      startedAt: hash['startedAt'] || null,
      finishedAt: hash['finishedAt'] || null,
      attempts: Number(hash['attempts'] ?? 0),
      progress: isFinal(state as JobState) ? null : (json(hash['progress']) as Progress | null),
      result: json(hash['result']),
      error: json(hash['error']) as Problem | null,
    },
    fingerprint: hash['fingerprint'] ?? '',
    params: json(hash['params']),
    cancel: hash['cancel'] === '1',
  };
}

/** The fields that an outcome sets, as field, value, … */
export function outcomeFields(outcome: Outcome, finishedAt: string): string[] {
  const fields = ['state', outcome.state, 'finishedAt', finishedAt];
  if (outcome.state === 'succeeded') fields.push('result', JSON.stringify(outcome.result));
  if (outcome.state === 'failed') fields.push('error', JSON.stringify(outcome.error));
  return fields;
}

/** What a field says; null where it is not there or no JSON. */
function json(text: string | undefined): unknown {
  return text ? parseJson(text) : null;
}
