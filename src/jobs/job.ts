import type { Problem } from './errors.ts';
import type { RequestId } from './request-id.ts';

export const jobStates = ['queued', 'running', 'succeeded', 'failed', 'cancelled'] as const;
export type JobState = (typeof jobStates)[number];

export interface Progress {
  step: string;
  message: string;
  /** 0 to 100, where the step can tell. */
  percent?: number;
}

/** A job as clients see it. Times are RFC 3339 in UTC. */
export interface Job {
  id: RequestId;
  type: string;
  state: JobState;
  resource: string;
  host: string;
  user: string;
  createdAt: string;
  startedAt: string | null;
  finishedAt: string | null;
  /** How often it was tried: begun by a worker, or again after a fault that passes. */
  attempts: number;
  progress: Progress | null;
  result: unknown;
  error: Problem | null;
}

export function isFinal(state: JobState): boolean {
  return state === 'succeeded' || state === 'failed' || state === 'cancelled';
}

/** How a job ended. */
export type Outcome =
  | { state: 'succeeded'; result: unknown }
  | { state: 'failed'; error: Problem }
  /** Somebody asked for it, or a later request has made it pointless. */
  | { state: 'cancelled'; result?: { supersededBy: RequestId } };
