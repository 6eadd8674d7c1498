import { errorCodes, errorTable } from '../jobs/errors.ts';
import { jobTypes, readNames } from '../jobs/registry.ts';
import { streams } from '../jobs/rpc/streams.ts';
import { hostStates } from '../jobs/types/host.ts';
import { succeeds } from '../lib/async/succeeds.ts';
import { Counter, Gauge, Histogram } from '../lib/metrics/metric.ts';
import type { ApiQueue } from '../queue/api-queue.ts';

/** The metrics of an api. docs/metrics.md lists them all. */

const action = [...jobTypes, ...readNames];
const status = ['200', '202', '304', ...errorCodes.map((code) => String(errorTable[code].status))];
const stream = ['job.log', ...Object.keys(streams)];

export const requests = new Counter(
  'geard_http_requests_total',
  'Finished requests by action and status; other: no action was recognised, or no answer was sent',
  { action, status },
);
export const requestSeconds = new Histogram(
  'geard_http_request_duration_seconds',
  'Time until a request was answered, except streams and requests that wait for a job',
  { action },
  [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
);
export const waits = new Gauge(
  'geard_http_waits_in_progress',
  'Requests that are waiting for a job to finish',
  {},
);
export const problems = new Counter('geard_problems_total', 'Error answers, by code', {
  code: errorCodes,
});
// Starts at 0: Prometheus sees no increase in a series that appears with the value 1.
for (const code of errorCodes) problems.add({ code }, 0);
export const accepted = new Counter('geard_jobs_accepted_total', 'Requests that became jobs', {
  type: jobTypes,
});
export const replayed = new Counter('geard_jobs_replayed_total', 'Requests that joined the job of their id', {
  type: jobTypes,
});
export const openStreams = new Gauge('geard_streams_open', 'Streams that clients are reading', { stream });
export const streamOpenings = new Counter(
  'geard_streams_opened_total',
  'Streams that workers have opened, by transport',
  { stream, transport: ['relay', 'direct'] },
);
export const streamBytes = new Counter('geard_stream_bytes_total', 'Bytes of streams', { stream });
export const brokenStreams = new Counter(
  'geard_streams_broken_total',
  'Streams that broke off because of their source, their token or their client',
  { stream, reason: ['source', 'token', 'client'] },
);

const hosts = new Gauge('geard_hosts', 'Hosts of the fleet by state', { state: hostStates });
const gears = new Gauge(
  'geard_fleet_gears',
  'Gears that the hosts have announced, except hosts that are gone',
  {},
);
const redisUp = new Gauge('geard_redis_up', 'Whether Redis answers: 1 or 0', {});

/** Measures Redis, the hosts and their gears at every scrape. */
export function watchFleet(queue: ApiQueue): void {
  redisUp.measuredBy(async () => [[{}, (await succeeds(queue.ping())) ? 1 : 0]]);
  hosts.measuredBy(async () => {
    const all = await queue.hosts();
    return hostStates.map((state) => [{ state }, all.filter((host) => host.state === state).length]);
  });
  gears.measuredBy(async () => {
    const here = (await queue.hosts()).filter(({ state }) => state !== 'gone');
    return [[{}, here.reduce((sum, host) => sum + host.gears, 0)]];
  });
}
