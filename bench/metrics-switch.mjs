/**
 * Loaded into an api by NODE_OPTIONS=--import=<this file>: at SIGUSR2 the process no longer counts
 * and traces anything, or does so again, and writes `metrics on` or `metrics off`.
 */
import { traceEffects } from '../dist/lib/effect.js';
import { countEffect } from '../dist/lib/metrics/effects.js';
import { Counter, Gauge, Histogram } from '../dist/lib/metrics/metric.js';
import { traceEffect } from '../dist/lib/tracing.js';

let on = true;

for (const [{ prototype }, name] of [
  [Counter, 'add'],
  [Gauge, 'add'],
  [Histogram, 'observe'],
]) {
  const count = prototype[name];
  prototype[name] = function (...args) {
    if (on) count.apply(this, args);
  };
}

process.on('SIGUSR2', () => {
  on = !on;
  traceEffects(
    on
      ? (trace) => {
          countEffect(trace);
          traceEffect(trace);
        }
      : null,
  );
  process.stderr.write(`metrics ${on ? 'on' : 'off'}\n`);
});
