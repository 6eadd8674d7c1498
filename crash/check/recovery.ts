import { parseJson } from '../../src/lib/parse-json.ts';
import { parseTime } from '../lab/real-time.ts';
import type { Struck } from '../play/strike.ts';
import type { Request } from './request.ts';
import { type Violation, violation } from './violation.ts';

/** How long it took until a process was at work after its start, in milliseconds. */
export interface Recovery {
  /** When it was started, in milliseconds since the epoch. */
  start: number;
  /** Until it said that it is ready: a worker that it takes jobs, a daemon that its api listens, /readyz with it. */
  ready: number;
  /** Until an unfinished job was begun or ended; null: there was none. */
  resumed: number | null;
}

interface LogLine {
  time: string;
  msg: string;
  id?: string;
}

/** Reads it in the program's log, for every start since the log begins. */
export function recoveries(
  log: string,
  role: 'daemon' | 'worker',
  starts: readonly number[],
  requests: readonly Request[],
): Recovery[] {
  const atWork = { daemon: 'api listens', worker: 'worker is ready' }[role];
  const lines = log.split('\n').flatMap((text) => {
    const line = text.startsWith('{') ? (parseJson(text) as LogLine | undefined) : undefined;
    return line?.msg ? [{ ...line, at: parseTime(line.time) }] : [];
  });
  const created = new Map(requests.flatMap(({ job }) => (job ? [[job.id, parseTime(job.createdAt)]] : [])));
  return starts.flatMap((start, i) => {
    const next = starts[i + 1] ?? Number.POSITIVE_INFINITY;
    const own = lines.filter(({ at }) => at >= start && at < next);
    const ready = own.find(({ msg }) => msg === atWork);
    const resumed = own.find(
      ({ msg, id }) => /^job (begins|ends)$/.test(msg) && (created.get(id ?? '') ?? start) < start,
    );
    return ready ? [{ start, ready: ready.at - start, resumed: resumed ? resumed.at - start : null }] : [];
  });
}

/** Milliseconds from the start of a process within which it must be at work on what it has found unfinished. */
const longestResume = 20_000;

/** What was resumed late, apart from the time for which a fault stopped the process, its network or its disk. */
export function checkRecoveries(recovered: readonly Recovery[], struck: readonly Struck[]): Violation[] {
  const held = struck.filter(({ fault }) => 'seconds' in fault && fault.kind !== 'set the clock');
  return recovered.flatMap(({ start, resumed }) => {
    const end = start + (resumed ?? 0);
    const idle = held
      .map(({ from, to }) => Math.max(0, Math.min(to, end) - Math.max(from, start)))
      .reduce((sum, time) => sum + time, 0);
    const took = end - start - idle;
    if (took <= longestResume) return [];
    return [violation('late', `the first unfinished job was resumed ${took} ms after a start`)];
  });
}
