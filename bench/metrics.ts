/**
 * What metrics add to accepting a job. First in microseconds of the api: what is counted for a
 * request, and the trace of the one script in Redis; the best of many short batches is one that no
 * other program has interrupted. Then as a ratio: one api that counts in one round and does not in
 * the next. At last, how long a scrape takes beside PUTs at a pace.
 * usage: node --import tsx bench/metrics.ts [PAIRS], once built
 */
import { accepted, requestSeconds, requests } from '../src/api/metrics.ts';
import { pause } from '../src/lib/async/pause.ts';
import { traced, traceEffects } from '../src/lib/effect.ts';
import { countEffect } from '../src/lib/metrics/effects.ts';
import { Counter } from '../src/lib/metrics/metric.ts';
import { end } from '../test/support/processes.ts';
import { openTestRedis } from '../test/support/redis.ts';
import { acceptMany, addHost, nextPut, startApi } from './accept.ts';
import { type Cost, measureRound, perRound, printCosts } from './accept-cost.ts';
import { sendMany } from './load.ts';
import { median, p99 } from './table.ts';

const batches = 400;
const perBatch = 500;
const type = 'container.install';
/** PUTs per second beside which the api is scraped, and how many there are: ten seconds of them. */
const pace = 500;
const paced = 10 * pace;
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

const port = 12_223;
const warmUp = 8;
const pairs = Number(process.argv[2] ?? 80);
const redis = await openTestRedis();
await addHost(redis);
process.env['NODE_OPTIONS'] = `--import=${import.meta.resolve('./metrics-switch.mjs')}`;
const api = await startApi('.', redis.url, port);
const on: Cost = { cpu: [], wall: [] };
const off: Cost = { cpu: [], wall: [] };
let isOn = true;
async function turn(wanted: boolean): Promise<void> {
  if (wanted === isOn) return;
  const switched = new Promise<void>((resolve) => {
    const look = (said: Buffer) => {
      if (!String(said).includes(`metrics ${wanted ? 'on' : 'off'}`)) return;
      api.stderr?.off('data', look);
      resolve();
    };
    api.stderr?.on('data', look);
  });
  api.kill('SIGUSR2');
  await switched;
  isOn = wanted;
}
/** Scrapes until the load is over: milliseconds of each, and bytes of the last. */
async function scrapeBeside(load: Promise<unknown>): Promise<{ times: number[]; bytes: number }> {
  let isOver = false;
  const over = load.finally(() => {
    isOver = true;
  });
  const times: number[] = [];
  let bytes = 0;
  while (!isOver) {
    const started = performance.now();
    bytes = (await (await fetch(`http://127.0.0.1:${port}/metrics`)).arrayBuffer()).byteLength;
    times.push(performance.now() - started);
    await pause(100);
  }
  await over;
  return { times, bytes };
}

try {
  for (let i = 0; i < warmUp; i++) {
    await turn(i % 2 === 1);
    await acceptMany(port, perRound);
  }
  // Off, on, on, off: what changes in the course of time favours neither.
  for (let i = 0; i < pairs * 2; i++) {
    const wanted = i % 4 === 1 || i % 4 === 2;
    await turn(wanted);
    await measureRound(api, port, wanted ? on : off);
  }
  printCosts(off, on);
  const { times, bytes } = await scrapeBeside(sendMany(paced, 64, 202, () => nextPut(port), pace));
  const ms = [median(times), p99(times)].map((time) => time.toFixed(1));
  console.log(
    `${times.length} scrapes beside ${pace} PUTs a second: ${ms[0]} ms, p99 ${ms[1]} ms, ${bytes} bytes`,
  );
} finally {
  await end(api);
  await redis.close();
}
