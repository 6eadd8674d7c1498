import { median } from '../table.ts';
import { costOf, type Figures, ratioTo, type Spread, total } from './figures.ts';
import type { Cpu } from './fleet.ts';
import { calmPace, type Load } from './measure.ts';

const loads: Record<Load, string> = { full: 'at full speed', calm: `at ${calmPace} a second` };

const spreadText = ({ median, lowest, highest }: Spread) =>
  `${median.toFixed(2)} (${lowest.toFixed(2)} to ${highest.toFixed(2)})`;

export function printFigures(all: Figures[]): void {
  const line = (cells: (string | number)[]) => console.log(`| ${cells.join(' | ')} |`);
  const row = (what: string, cell: (figures: Figures) => string) => line([what, ...all.map(cell)]);
  line(['', ...all.map(({ hosts }) => (hosts === 1 ? '1 host' : `${hosts} hosts`))]);
  line(['---', ...all.map(() => '---')]);
  row('jobs, at full speed', ({ jobs }) => String(jobs));
  row("jobs per second, to the last one's end", ({ rounds: { full } }) =>
    median([...full.values()].map(({ perSecond }) => perSecond)).toFixed(0),
  );
  for (const load of ['full', 'calm'] as const) printLoad(load, all, row);
  row(`${loads.calm}: part of this that the fleet costs at rest`, ({ rest }) =>
    ((1000 / calmPace) * total(rest.cpu)).toFixed(2),
  );
  row('Redis, bytes for a finished job', ({ bytes }) => bytes.job.toFixed(0));
  row('Redis, KiB for a host', ({ bytes }) => (bytes.host / 1024).toFixed(0));
  row('at rest: commands per second', ({ rest }) => rest.commandsPerSecond.toFixed(0));
  row('at rest: CPU of api, of all workers, of Redis', ({ rest: { cpu } }) =>
    [cpu.api, cpu.workers, cpu.redis].map((part) => `${(100 * part).toFixed(1)} %`).join(', '),
  );
  row('gears of a host, fewest and most', ({ spread }) => spread.join(', '));
}

function printLoad(
  load: Load,
  all: Figures[],
  row: (what: string, cell: (figures: Figures) => string) => void,
): void {
  const what = loads[load];
  const rounds = (figures: Figures) => [...figures.rounds[load].values()];
  const part = (figures: Figures, name: keyof Cpu) =>
    median(rounds(figures).map(({ cost }) => cost[name])).toFixed(2);
  row(`${what}: p50 and p99 of accept, ms`, (figures) => {
    const sorted = rounds(figures)
      .flatMap(({ latencies }) => latencies)
      .sort((a, b) => a - b);
    return [0.5, 0.99].map((at) => (sorted[Math.floor(sorted.length * at)] ?? 0).toFixed(0)).join(', ');
  });
  row(`${what}: CPU seconds for 1,000 jobs (lowest to highest)`, (figures) =>
    spreadText(costOf(figures, load)),
  );
  row(`${what}: the same relative to the first, round by round`, (figures) =>
    spreadText(ratioTo(all[0] as Figures, figures, load)),
  );
  row(`${what}: by process: api, workers, Redis`, (figures) =>
    (['api', 'workers', 'redis'] as const).map((name) => part(figures, name)).join(', '),
  );
}

const width = 60;

/** Cost beside the first fleet's as a bar for each; the mark is 20 percent above the first. */
export function printCurve(all: Figures[], load: Load): void {
  const ratios = all.map((figures) => ratioTo(all[0] as Figures, figures, load).median);
  const scale = width / Math.max(1.25, ...ratios);
  const mark = Math.round(1.2 * scale);
  console.log(`\n${loads[load]}: CPU for a job, relative to the first (| is 20 percent more)\n`);
  for (const [i, { hosts }] of all.entries()) {
    const ratio = ratios[i] as number;
    const bar = '#'.repeat(Math.round(ratio * scale)).padEnd(width + 1);
    const name = `${String(hosts).padStart(5)} hosts`;
    console.log(`${name}  ${bar.slice(0, mark)}|${bar.slice(mark + 1)} ${ratio.toFixed(2)}`);
  }
}
