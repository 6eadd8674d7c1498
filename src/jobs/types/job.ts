import { defineRead, type ReadInput } from '../define.ts';
import { parseRequestId } from '../fields/request-id.ts';

const byId = ({ found }: ReadInput) => ({ id: parseRequestId(found) });

export const jobList = defineRead({
  method: 'GET',
  path: '/jobs',
  summary: 'Lists jobs, the newest first',
  action: 'job.read',
  needs: [],
  takes: ['u', 'r', 'h', 'state', 'limit', 'after'],
  wants: () => ({}),
});

export const jobRead = defineRead({
  method: 'GET',
  path: '/job/{id}',
  summary: 'Shows a job; with `wait` it waits for the end of the job',
  action: 'job.read',
  needs: [],
  takes: ['wait'],
  wants: byId,
});

export const jobLog = defineRead({
  method: 'GET',
  path: '/job/{id}/log',
  summary: 'Streams the steps of a job until its outcome',
  action: 'job.log',
  needs: [],
  takes: [],
  wants: byId,
});

export const jobCancel = defineRead({
  method: 'DELETE',
  path: '/job/{id}',
  summary: 'Cancels a job',
  action: 'job.cancel',
  changes: true,
  needs: [],
  takes: [],
  wants: byId,
});
