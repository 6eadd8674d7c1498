import { median } from '../table.ts';
import type { Cpu } from './fleet.ts';
import { calmPace, type Figures, type Round } from './measure.ts';

const loads = { full: 'as fast as they are taken', calm: `at ${calmPace} a second` };

/** CPU seconds of everything together. */
const total = ({ api, workers, redis }: Cpu) => api + workers + redis;

/** CPU seconds for 1,000 jobs: median of the rounds, lowest, highest. */
function costOf(rounds: Round[]): [number, number, number] {
  const each = rounds.map(({ cost }) => total(cost));
  return [median(each), Math.min(...each), Math.max(...each)];
}

export function printFigures(all: Figures[]): void {
  const line = (cells: (string | number)[]) => console.log(`| ${cells.join(' | ')} |`);
  const row = (what: string, cell: (figures: Figures) => string) => line([what, ...all.map(cell)]);
  line(['', ...all.map(({ hosts }) => (hosts === 1 ? '1 host' : `${hosts} hosts`))]);
  line(['---', ...all.map(() => '---')]);
  row('jobs, as fast as they are taken', ({ jobs }) => String(jobs));
  row("jobs per second, to the last one's end", ({ full }) =>
    median(full.map(({ perSecond }) => perSecond)).toFixed(0),
  );
  for (const load of ['full', 'calm'] as const) {
    const base = costOf((all[0] as Figures)[load])[0];
    const part = (name: keyof Cpu) => (figures: Figures) =>
      median(figures[load].map(({ cost }) => cost[name])).toFixed(2);
    const what = loads[load];
    row(`${what}: p50 and p99 of accept, ms`, (figures) => {
      const sorted = figures[load].flatMap(({ latencies }) => latencies).sort((a, b) => a - b);
      const at = (part: number) => (sorted[Math.floor(sorted.length * part)] ?? 0).toFixed(0);
      return `${at(0.5)}, ${at(0.99)}`;
    });
    row(`${what}: CPU seconds for 1,000 jobs (lowest to highest)`, (figures) => {
      const [middle, lowest, highest] = costOf(figures[load]);
      return `${middle.toFixed(2)} (${lowest.toFixed(2)} to ${highest.toFixed(2)})`;
    });
    row(`${what}: the same, beside the first`, (figures) => (costOf(figures[load])[0] / base).toFixed(2));
    row(`${what}: of it api, workers, Redis`, (figures) =>
      (['api', 'workers', 'redis'] as const).map((name) => part(name)(figures)).join(', '),
    );
  }
  row('Redis, bytes for a finished job', ({ bytes }) => bytes.job.toFixed(0));
  row('Redis, KiB for a host', ({ bytes }) => (bytes.host / 1024).toFixed(0));
  row('at rest: commands per second', ({ rest }) => rest.commandsPerSecond.toFixed(0));
  row(`${loads.calm}: what of it the fleet costs at rest`, ({ rest }) =>
    ((1000 / calmPace) * total(rest.cpu)).toFixed(2),
  );
  row('at rest: CPU of api, of all workers, of Redis', ({ rest: { cpu } }) =>
    [cpu.api, cpu.workers, cpu.redis].map((part) => `${(100 * part).toFixed(1)} %`).join(', '),
  );
  row('gears of a host, fewest and most', ({ spread }) => spread.join(', '));
}

const width = 60;

/** Cost for each size as a bar; the mark is 20 percent above the first. */
export function printCurve(all: Figures[], load: 'full' | 'calm'): void {
  const costs = all.map((figures) => costOf(figures[load])[0]);
  const limit = 1.2 * (costs[0] as number);
  const scale = width / Math.max(limit, ...costs);
  console.log(`\n${loads[load]}: CPU seconds for 1,000 jobs (| is 20 percent above the first)\n`);
  for (const [i, { hosts }] of all.entries()) {
    const cost = costs[i] as number;
    const mark = Math.round(limit * scale);
    const bar = '#'.repeat(Math.round(cost * scale)).padEnd(width + 1);
    const name = `${String(hosts).padStart(5)} hosts`;
    console.log(`${name}  ${bar.slice(0, mark)}|${bar.slice(mark + 1)} ${cost.toFixed(2)}`);
  }
}
