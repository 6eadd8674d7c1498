import { z } from 'zod';
import type { Origin } from '../../jobs/change.ts';
import { type ErrorCode, type Problem, problemOf, toldFailure } from '../../jobs/errors.ts';
import { MiB } from '../../jobs/fields/bytes.ts';
import { isFinal, type Job, type JobState, jobStates, type Outcome, progress } from '../../jobs/job.ts';
import { parseJson } from '../../lib/parse-json.ts';
import { readTraceparent } from '../../lib/tracing.ts';

/** Where a job is. */
export type JobPlace = Pick<Job, 'host' | 'id'>;

/** A job as Redis keeps it: the public job, and internal fields. */
export interface JobRecord {
  job: Job;
  /** The payload version that a worker needs for it; see jobs/payload-version.ts. */
  version: number;
  /** Hash of the request; distinguishes a replay from another request with the same id. */
  fingerprint: string;
  /** The original request, sealed for the worker; empty once the job has finished. */
  sealed: string;
  /** Only for logs and spans. */
  origin: Origin;
  /** The sealed cancel request; null if there is none. */
  cancel: string | null;
  /** Milliseconds since the epoch after which no worker may take it; null once one has. */
  waitsUntil: number | null;
  /**
   * How often a worker began it and neither ended it nor handed it back. Each time except the
   * current one, the worker crashed.
   */
  crashes: number;
  /** When a worker took it, in milliseconds since the epoch, to the second; null before that. */
  takenAt: number | null;
}

/** Parses a hash as Redis returns it: field, value, field, value, … */
export function readHash(flat: readonly string[]): Record<string, string> {
  const hash: Record<string, string> = {};
  for (const [i, text] of flat.entries()) if (i % 2 === 1) hash[flat[i - 1] ?? ''] = text;
  return hash;
}

type Hash = Record<string, string>;

const printed = z
  .string()
  .max(300)
  .regex(/^\P{Cc}*$/u);
const time = z.iso.datetime();
const count = z
  .string()
  .regex(/^\d{1,15}$/)
  .transform(Number);
/** JSON of a bounded size. */
const json = z.string().max(MiB).transform(parseJson);

/** The fields of a job that apis write. */
const accepted = z.object({
  type: printed,
  resource: printed,
  host: printed,
  user: printed,
  createdAt: time,
  fingerprint: printed,
  sealed: z.string().default(''),
  cancel: z.string().nullable().default(null),
  trace: printed.optional().catch(undefined),
  span: printed.length(55).refine(readTraceparent).optional().catch(undefined),
  peer: printed.optional().catch(undefined),
  expiresAt: count.nullable().default(null),
  cancelledAt: time.optional(),
  expiredAt: time.optional(),
  abandonedAt: time.optional(),
  v: count.default(1),
});
type Accepted = z.infer<typeof accepted>;

/** The fields that a list of jobs needs: sealed requests may be a hundred times as large. */
export const shownFields = Object.keys(
  accepted.omit({ sealed: true, cancel: true, trace: true, peer: true, span: true }).shape,
);

const unknownReason = 'the reason for the failure cannot be read';
const error = z.object({
  code: toldFailure.shape.code.catch('internal'), // A newer worker may have codes that we do not know.
  detail: toldFailure.shape.detail.catch(unknownReason),
});

/**
 * The fields of a job that its worker writes. Only the state must be readable; any other unreadable
 * field falls back to a default.
 */
const run = z.object({
  state: z.enum(jobStates).optional(),
  startedAt: time.nullable().catch(null),
  finishedAt: time.nullable().catch(null),
  attempts: count.catch(0),
  crashes: count.catch(0),
  takenAt: count.nullable().catch(null),
  progress: json.pipe(progress).nullable().catch(null),
  result: json.catch(null),
  error: json.pipe(error).catch({ code: 'internal', detail: unknownReason }),
});
type Run = z.infer<typeof run>;

/**
 * Reads the record of a job from its two hashes, by the api and by the worker; null when there is
 * none. Its id and its host are those it was found under, whatever the record contains. Anyone may
 * have written to Redis: a value that geard would not write counts as missing. A job with too
 * little left, or of another host, has failed with `internal`, so that its client sees the failure
 * and its worker drops it.
 */
export function readRecord(place: JobPlace, job: Hash, written: Hash): JobRecord | null {
  if (Object.keys(job).length === 0) return null;
  const [told, became] = [accepted.safeParse(job), run.safeParse(written)];
  if (!told.success || !became.success || told.data.host !== place.host) return unreadable(place, told.data);
  return recordOf(place.id, told.data, became.data);
}

function recordOf(id: string, told: Accepted, written: Run): JobRecord {
  const { v, fingerprint, sealed, cancel, trace, peer, span, expiresAt } = told;
  const { type, resource, host, user, createdAt } = told;
  const { takenAt, startedAt, finishedAt, attempts, crashes, progress, result } = written;
  const end = endOf(id, told, written);
  return {
    job: {
      id,
      type,
      state: end.state,
      resource,
      host,
      user,
      createdAt,
      startedAt,
      finishedAt: finishedAt ?? end.at,
      attempts,
      progress: isFinal(end.state) ? null : progress,
      result: end.state === 'failed' ? null : result,
      error: end.error,
    },
    version: v,
    fingerprint,
    sealed,
    origin: { trace, peer, span },
    cancel,
    crashes,
    waitsUntil: written.state === undefined && takenAt === null ? expiresAt : null,
    takenAt: takenAt === null ? null : takenAt * 1000,
  };
}

/** Shown when a record has nothing readable. */
const nothing = accepted.parse({
  type: '',
  resource: '',
  host: '',
  user: '',
  createdAt: new Date(0).toISOString(),
  fingerprint: '',
});

function unreadable({ host, id }: JobPlace, told: Accepted = nothing): JobRecord {
  const known = { ...told, host, sealed: '', cancel: null, v: 1 };
  const { job, ...record } = recordOf(id, known, run.parse({ state: 'failed' }));
  const error = problemOf('internal', 'the record of this job cannot be read', { job: id });
  return { ...record, job: { ...job, finishedAt: job.createdAt, error } };
}

interface End {
  state: JobState;
  at: string | null;
  error: Problem | null;
}

/** How a job ended, by its worker or else by an api; or its current state. */
function endOf(id: string, told: Accepted, { state = 'queued', error: { code, detail } }: Run): End {
  const byApi = isFinal(state) ? null : endByApi(id, told);
  const error = state === 'failed' ? problemOf(code, detail, { job: id, host: told.host }) : null;
  return byApi ?? { state, at: null, error };
}

/** How an api ended a job on behalf of its absent host. */
function endByApi(id: string, { cancelledAt, expiredAt, abandonedAt, host }: Accepted): End | null {
  const failed = (code: ErrorCode, detail: string) => problemOf(code, detail, { job: id, host });
  if (cancelledAt) return { state: 'cancelled', at: cancelledAt, error: null };
  if (expiredAt) {
    const detail = `the host ${host} was offline for longer than the job may wait`;
    return { state: 'failed', at: expiredAt, error: failed('expired', detail) };
  }
  if (!abandonedAt) return null;
  const detail = `the host ${host} was removed from the fleet before the job had finished`;
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
