import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { listen } from '../../../../src/lib/http/listen.ts';
import { countEffect } from '../../../../src/lib/metrics/effects.ts';
import { createMetricsServer, sendMetrics } from '../../../../src/lib/metrics/exposition.ts';
import { Counter, Gauge, Histogram, type Metric, metrics } from '../../../../src/lib/metrics/metric.ts';
import { watchProcess } from '../../../../src/lib/metrics/process.ts';

/** The metrics of the modules that were loaded since the last look. */
const seen = new Set<string>();
function news(): Metric[] {
  const fresh = [...metrics.values()].filter(({ name }) => !seen.has(name));
  for (const { name } of fresh) seen.add(name);
  return fresh;
}

await import('../../../../src/cli/roles/run-role.ts');
watchProcess('1', 'api');
const both = news();
await Promise.all([import('../../../../src/api/start-api.ts'), import('../../../../src/queue/api-queue.ts')]);
const api = news();
await import('../../../../src/worker/open-worker.ts');
const { steps } = await import('../../../../src/worker/metrics.ts');
const shownBy = { api, worker: news(), both };
const all = Object.values(shownBy).flat();

const silent = { error() {} } as never;

async function serve(handler: RequestListener): Promise<string> {
  const server = createServer(handler);
  onTestFinished(() => void server.close());
  return `http://${(await listen(server, { host: '127.0.0.1', port: 0 }, silent)).address}`;
}

const shown = async (accept = '*/*') => {
  const url = await serve((req, res) => void sendMetrics(req, res));
  const answer = await fetch(url, { headers: { accept } });
  return { type: answer.headers.get('content-type'), lines: (await answer.text()).split('\n') };
};

const of = (lines: string[], name: string) => lines.filter((line) => line.includes(name));

test('a label has only the values that it was made with: any other is shown as other', async () => {
  const counter = new Counter('test_closed_total', 'Closed sets', { kind: ['a', 'b'], code: ['x'] });
  counter.add({ kind: 'a', code: 'x' });
  counter.add({ kind: 'my-gear"\n', code: 'x' }, 2);
  counter.add({ kind: 'b' });
  counter.add({ kind: 'b' });
  expect(of((await shown()).lines, 'test_closed')).toEqual([
    '# HELP test_closed_total Closed sets',
    '# TYPE test_closed_total counter',
    'test_closed_total{kind="a",code="x"} 1',
    'test_closed_total{kind="other",code="x"} 2',
    'test_closed_total{kind="b"} 2',
  ]);
});

test('a histogram counts each value in every bucket that it fits in', async () => {
  const histogram = new Histogram('test_seconds', 'Times', { kind: ['a'] }, [0.5, 1]);
  for (const value of [0.5, 0.75, 8]) histogram.observe({ kind: 'a' }, value);
  expect(
    of((await shown()).lines, 'test_seconds{').concat(of((await shown()).lines, 'test_seconds_')),
  ).toEqual([
    'test_seconds_bucket{kind="a",le="0.5"} 1',
    'test_seconds_bucket{kind="a",le="1.0"} 2',
    'test_seconds_bucket{kind="a",le="+Inf"} 3',
    'test_seconds_sum{kind="a"} 9.25',
    'test_seconds_count{kind="a"} 3',
  ]);
});

test('there is OpenMetrics for who prefers it, with counters named as it wants and an end', async () => {
  const plain = 'text/plain; version=0.0.4; charset=utf-8';
  const open = 'application/openmetrics-text; version=1.0.0; charset=utf-8';
  new Counter('test_things_total', 'Things', {}).add({});
  const prometheus =
    'application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1';
  const { type, lines } = await shown(prometheus);
  expect(type).toBe(open);
  expect(of(lines, 'test_things')).toEqual([
    '# HELP test_things Things',
    '# TYPE test_things counter',
    'test_things_total 1',
  ]);
  expect(lines.slice(-2)).toEqual(['# EOF', '']);
  for (const accept of ['*/*', 'text/plain', 'text/plain, application/openmetrics-text;q=0.1'])
    expect(await shown(accept)).toMatchObject({ type: plain, lines: expect.not.arrayContaining(['# EOF']) });
});

test('what is measured at a scrape is left out while it cannot be measured', async () => {
  let isBroken = false;
  new Gauge('test_measured', 'Measured', { kind: ['a'] }).measuredBy(async () => {
    if (isBroken) throw new Error('away');
    return [[{ kind: 'a' }, 7]];
  });
  expect(of((await shown()).lines, 'test_measured{')).toEqual(['test_measured{kind="a"} 7']);
  isBroken = true;
  expect(of((await shown()).lines, 'test_measured')).toEqual([]);
});

test('many scrapes at once share a measurement, so that nobody keeps systemd busy by them', async () => {
  let measured = 0;
  new Gauge('test_shared', 'Shared', {}).measuredBy(async () => [[{}, ++measured]]);
  await Promise.all(Array.from({ length: 100 }, () => shown()));
  expect(measured).toBeLessThan(20);
});

test('no two metrics have one name', () => {
  new Gauge('test_twice', 'Twice', {});
  expect(() => new Counter('test_twice', 'Twice', {})).toThrow('test_twice');
});

test('an effect is counted by what carries it out and whether it was done, not by what it was done to', async () => {
  const tell = (effect: string, outcome: string) =>
    countEffect({ effect, of: '/units/web', ms: 30, outcome });
  tell('redis.accept', 'done');
  tell('file.rename', 'ENOSPC');
  tell('image.build', 'done');
  const { lines } = await shown();
  const counts = of(lines, 'geard_effect_duration_seconds_count');
  expect(counts).toEqual([
    'geard_effect_duration_seconds_count{system="redis",outcome="done"} 1',
    'geard_effect_duration_seconds_count{system="disk",outcome="failed"} 1',
    'geard_effect_duration_seconds_count{system="docker",outcome="done"} 1',
  ]);
});

test('the server for metrics answers GET /metrics and nothing else', async () => {
  const server = createMetricsServer();
  onTestFinished(() => void server.close());
  const url = `http://${(await listen(server, { host: '127.0.0.1', port: 0 }, silent)).address}`;
  expect((await fetch(`${url}/metrics`)).status).toBe(200);
  expect((await fetch(`${url}/`)).status).toBe(404);
  expect((await fetch(`${url}/metrics`, { method: 'POST' })).status).toBe(404);
});

test('docs/metrics.md has every metric with its labels, its type, where it is shown, and its help', () => {
  const rows = Object.entries(shownBy).flatMap(([where, metrics]) =>
    metrics.map(
      ({ name, labels, type, help }) =>
        `| \`${name}\` | ${labels.map((label) => `\`${label}\``).join(' ') || '–'} | ${type} | ${where} | ${help} |`,
    ),
  );
  const told = readFileSync('docs/metrics.md', 'utf8').split('\n');
  // Modules that are loaded side by side make theirs in any order.
  expect(told.filter((line) => line.startsWith('| `')).sort()).toEqual(rows.sort());
});

test('the names of metrics are as Prometheus wants them', () => {
  for (const { name, type, help } of all) {
    expect(name.endsWith('_total'), name).toBe(type === 'counter');
    expect(help, name).toMatch(/^[A-Z].*[^.]$/);
  }
});

test.each([
  'alerts.yml',
  'alerts.test.yml',
  'dashboard.json',
])('contrib/metrics/%s names no metric that there is not', (file) => {
  const known = new Set(
    all.flatMap(({ name, type }) =>
      type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
    ),
  );
  const named =
    readFileSync(`contrib/metrics/${file}`, 'utf8').match(/\b(?:geard|process|nodejs)_\w+/g) ?? [];
  expect(named.length).toBeGreaterThan(5);
  expect(named.filter((name) => !known.has(name))).toEqual([]);
});

test('every step that a job reports is one that metrics know', () => {
  const files = readdirSync('src/worker', { recursive: true, encoding: 'utf8' });
  const named = files
    .filter((file) => file.endsWith('.ts'))
    .flatMap((file) =>
      [...readFileSync(`src/worker/${file}`, 'utf8').matchAll(/step: '([^']+)'/g)].map(([, step]) => step),
    );
  expect([...new Set(named)].sort()).toEqual(steps.toSorted());
});
