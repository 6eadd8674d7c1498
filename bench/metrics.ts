/**
 * What metrics add to accepting a job, in microseconds of the api: what is counted for a request,
 * and the trace of the one script in Redis. The best of many short batches is one that no other
 * program has interrupted. usage: node --import tsx bench/metrics.ts
 */
import { accepted, requestSeconds, requests } from '../src/api/metrics.ts';
import { traced, traceEffects } from '../src/lib/effect.ts';
import { countEffect } from '../src/lib/metrics/effects.ts';
import { Counter } from '../src/lib/metrics/metric.ts';

const batches = 400;
const perBatch = 500;
const type = 'container.install';
/** As src/queue/accept has one. */
const predictions = new Counter('bench_guesses_total', 'Of this program', { result: ['right', 'wrong'] });

async function count(): Promise<void> {
  predictions.add({ result: 'right' });
  accepted.add({ type });
  requests.add({ action: type, status: String(202) });
  requestSeconds.observe({ action: type }, Math.random() / 20);
}

async function best(carryOut: () => Promise<unknown>): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let batch = 0; batch < batches; batch++) {
    const started = performance.now();
    for (let i = 0; i < perBatch; i++) await carryOut();
    least = Math.min(least, performance.now() - started);
  }
  return (least / perBatch) * 1000;
}

const nothing = async () => undefined;
const script = () => traced('redis.accept', undefined, nothing);
const counting = (await best(count)) - (await best(nothing));
const untraced = await best(script);
traceEffects(countEffect);
const tracing = (await best(script)) - untraced;
const sum = counting + tracing;
console.log(
  `counting ${counting.toFixed(2)} µs, tracing ${tracing.toFixed(2)} µs; ${sum.toFixed(2)} µs a job`,
);
