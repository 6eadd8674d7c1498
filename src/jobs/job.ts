import { z } from 'zod';
import { type ErrorCode, problemDocument } from './errors.ts';
import { type RequestId, requestId } from './fields/request-id.ts';
import { saidText } from './fields/schema.ts';

export const jobStates = ['queued', 'running', 'succeeded', 'failed', 'cancelled'] as const;
export type JobState = (typeof jobStates)[number];

const line = (max: number) =>
  saidText(max)
    .transform((said) => said.replace(/[\n\t]+/g, ' '))
    .meta({ plain: { type: 'string', maxLength: max } });

export const progress = z.object({
  step: line(100),
  message: line(4_000),
  percent: z.number().min(0).max(100).optional().describe('0 to 100, if the step knows it'),
});
export type Progress = z.infer<typeof progress>;

/** A job as clients see it. Times are RFC 3339 in UTC. */
export const jobDocument = z.object({
  id: requestId,
  type: z.string(),
  state: z.enum(jobStates),
  resource: z.string(),
  host: z.string(),
  user: z.string(),
  createdAt: z.iso.datetime(),
  startedAt: z.iso.datetime().nullable(),
  finishedAt: z.iso.datetime().nullable(),
  attempts: z
    .number()
    .describe('Number of attempts: each start by a worker and each retry after a temporary error'),
  progress: progress.nullable(),
  result: z.unknown(),
  error: problemDocument.nullable(),
});
export type Job = z.infer<typeof jobDocument>;

export function isFinal(state: JobState): boolean {
  return state === 'succeeded' || state === 'failed' || state === 'cancelled';
}

/** How a job ended. */
export type Outcome =
  | { state: 'succeeded'; result: unknown }
  | { state: 'failed'; error: { code: ErrorCode; detail: string } }
  /** A client asked for it, or a later request superseded it. */
  | { state: 'cancelled'; result?: { supersededBy: RequestId } };
