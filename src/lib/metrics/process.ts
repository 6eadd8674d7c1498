import { readdir } from 'node:fs/promises';
import { monitorEventLoopDelay, PerformanceObserver, performance } from 'node:perf_hooks';
import { Counter, Gauge, Histogram } from './metric.ts';

/** Metrics of the process itself, under the names of Prometheus' own client libraries. */

const one = (value: number) => [[{}, value]] as const;

new Counter('process_cpu_seconds_total', 'CPU time used by the process', {}).measuredBy(async () => {
  const { user, system } = process.cpuUsage();
  return one((user + system) / 1e6);
});
new Gauge('process_resident_memory_bytes', 'Memory of the process in RAM', {}).measuredBy(async () =>
  one(process.memoryUsage.rss()),
);
new Gauge('process_start_time_seconds', 'When the process was started, in seconds since the epoch', {}).add(
  {},
  performance.timeOrigin / 1000,
);
new Gauge('process_open_fds', 'Open file descriptors of the process', {}).measuredBy(async () =>
  one((await readdir('/proc/self/fd')).length),
);
const lag = new Gauge(
  'nodejs_eventloop_lag_p99_seconds',
  'Delay of timers in the last 15 to 30 seconds, 99th percentile',
  {},
);
const collections = new Histogram(
  'nodejs_gc_duration_seconds',
  'Duration of the pauses caused by garbage collections',
  {},
  [0.001, 0.01, 0.1, 1],
);

/** Milliseconds between two measurements of timer delay. */
const resolution = 20;
/** Milliseconds after which the measurements start anew, independent of scrapes. */
const period = 15_000;

/** Shows the version and role, and starts to measure timer delay and garbage collection. */
export function watchProcess(version: string, role: string): void {
  new Gauge('geard_build_info', 'The running program; always 1', { version: [version], role: [role] }).add({
    version,
    role,
  });
  const delays = monitorEventLoopDelay({ resolution });
  delays.enable();
  const late = () => Math.max(0, delays.percentile(99) / 1e9 - resolution / 1000);
  let before = 0;
  setInterval(() => {
    before = late();
    delays.reset();
  }, period).unref();
  lag.measuredBy(async () => one(Math.max(before, late())));
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) collections.observe({}, duration / 1000);
  }).observe({ entryTypes: ['gc'] });
}
