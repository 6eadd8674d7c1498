import { parseJson } from '../../src/lib/parse-json.ts';
import { parseTime } from '../lab/real-time.ts';
import type { Request } from './fold.ts';

/** How long it took until a process was at work after its start, in milliseconds. */
export interface Recovery {
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
    return ready ? [{ ready: ready.at - start, resumed: resumed ? resumed.at - start : null }] : [];
  });
}
