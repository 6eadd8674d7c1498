import { readdirSync, readFileSync } from 'node:fs';
import { curl } from '../test/support/curl.ts';
import { type Fleet, openFleet } from '../test/support/fleet.ts';
import { until } from '../test/support/until.ts';
import type { Row } from './table.ts';

const count = 100;

/**
 * Memory of a process without what it shares with others, and its part of that (Pss of proc(5)): the journal's files
 * are mapped by every journalctl, and a page of them counts once.
 */
function proportionalMegabytes(pid: string): number {
  try {
    const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    return Number(/^Pss:\s+(\d+) kB$/m.exec(rollup)?.[1]) / 1024;
  } catch {
    return 0; // It has ended meanwhile.
  }
}

/** The worker and everything it has started. */
function family(worker: number): string[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const parent = (pid: string) => {
    try {
      return Number(
        readFileSync(`/proc/${pid}/stat`, 'utf8')
          .replace(/^.*\) \S /, '')
          .split(' ')[0],
      );
    } catch {
      return 0;
    }
  };
  return [String(worker), ...pids.filter((pid) => parent(pid) === worker)];
}

/** Memory of a worker with 100 followers of one gear, the journal's own processes included. */
export async function benchFollowers(): Promise<Row[]> {
  const rows: Row[] = [];
  for (const transport of ['direct', 'relay'] as const) {
    const fleet: Fleet = await openFleet(transport);
    await fleet.change('PUT', 'container', { r: 'followed', t: 'geard/sample' });
    const url = `${fleet.url}/container/log?r=followed&for=60&lines=10`;
    const curls = Array.from({ length: count }, () => curl(url));
    await until('all follow', () => curls.every((one) => one.received().length > 0));
    const pids = family(fleet.worker.pid ?? 0);
    const megabytes = pids.reduce((sum, pid) => sum + proportionalMegabytes(pid), 0);
    for (const { child } of curls) child.kill('SIGKILL');
    await fleet.close();
    const what = `worker with ${count} followers of one gear by ${transport}, MB in all`;
    const theirs = `${pids.length - 1} journalctl`;
    rows.push({
      what,
      ours: `${Math.round(megabytes)} MB`,
      theirs,
      value: megabytes,
      reach: { atMost: 300 },
    });
  }
  return rows;
}
