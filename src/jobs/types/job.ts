import { z } from 'zod';
import type { ReadDefinition, ReadInput } from '../define.ts';
import { parseRequestId } from '../fields/request-id.ts';
import { jobDocument, progress } from '../job.ts';
import { logFormats } from '../rpc/streams.ts';

const byId = ({ found }: ReadInput) => ({ id: parseRequestId(found) });

export const jobList = {
  method: 'GET',
  path: '/jobs',
  summary: 'Lists jobs, the newest first',
  action: 'job.read',
  needs: [],
  takes: ['u', 'r', 'h', 'state', 'limit', 'after'],
  wants: () => ({}),
  answer: z.object({ jobs: z.array(jobDocument), next: z.string().optional() }),
  errors: [],
} as const satisfies ReadDefinition;

export const jobRead = {
  method: 'GET',
  path: '/job/{id}',
  summary: 'Shows a job; with `wait` it waits for the job to finish',
  action: 'job.read',
  needs: [],
  takes: ['wait'],
  wants: byId,
  answer: jobDocument,
  headers: ['Prefer'],
  errors: ['job_not_found'],
} as const satisfies ReadDefinition;

/** A step of a job, in a log as JSON. */
const progressLine = progress.extend({
  id: z.string().describe('The position in the log; a client sends it as Last-Event-ID'),
  time: z.iso.datetime(),
});

/** The last line of such a log: how the job ended. */
const logEnd = jobDocument.pick({ result: true, error: true }).extend({
  event: z.literal('end'),
  reason: jobDocument.shape.state,
  time: jobDocument.shape.finishedAt,
});

export const jobLog = {
  method: 'GET',
  path: '/job/{id}/log',
  summary: 'Streams the steps of a job until its outcome',
  action: 'job.log',
  needs: [],
  takes: [],
  wants: byId,
  answer: z.union([progressLine, logEnd]),
  media: logFormats,
  headers: ['Last-Event-ID'],
  errors: ['job_not_found'],
} as const satisfies ReadDefinition;

export const jobCancel = {
  method: 'DELETE',
  path: '/job/{id}',
  summary: 'Cancels a job',
  action: 'job.cancel',
  changes: true,
  needs: [],
  takes: [],
  wants: byId,
  answer: jobDocument,
  statuses: [200, 202],
  headers: ['Prefer'],
  errors: ['job_not_found', 'job_finished'],
} as const satisfies ReadDefinition;
