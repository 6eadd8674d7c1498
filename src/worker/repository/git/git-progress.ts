/** Progress of a clone, as git reports it. */
export interface GitProgress {
  /** Such as "Receiving objects". */
  phase: string;
  percent: number;
  /** Total number of objects or deltas. */
  total: number;
}

/** Milliseconds between two reports of a clone's progress. */
const reportInterval = 200;

/** A line of git's progress on stderr. git ends it with a carriage return to write over it. */
const part = /^(remote: )?([A-Z][A-Za-z ]{2,40}):\s+(\d{1,3})% \(\d+\/(\d+)\)/;

/**
 * The phases of a clone with percentages, by their origin: a server writes the text after
 * `remote: `, and may write anything. JGit's servers find sources.
 */
const phases = {
  server: new Set(['Counting objects', 'Compressing objects', 'Finding sources']),
  client: new Set(['Receiving objects', 'Resolving deltas', 'Unpacking objects', 'Checking connectivity']),
};

/**
 * Parses git's progress (git-clone(1), --progress) from pieces of text as they arrive. Passes on
 * each percentage of a known phase once, in rising order: a server must not make a report of every
 * line that it sends.
 */
export function createGitProgress(onProgress: (progress: GitProgress) => void): (text: string) => void {
  const reached = new Map<string, number>();
  let rest = '';
  return (text) => {
    const lines = (rest + text).split(/[\r\n]/);
    // The unfinished line; no line of git's is longer than this.
    rest = (lines.pop() ?? '').slice(-1_000);
    for (const line of lines) {
      const [, remote, phase = '', percent, total] = part.exec(line) ?? [];
      const progress = { phase, percent: Number(percent), total: Number(total) };
      if (!phases[remote === undefined ? 'client' : 'server'].has(phase)) continue;
      if (progress.percent > 100 || progress.percent <= (reached.get(phase) ?? -1)) continue;
      reached.set(phase, progress.percent);
      onProgress(progress);
    }
  };
}

/** Passes on at most one report per interval, and the last one of every phase. */
export function throttled(
  report: (progress: GitProgress) => void,
  now = () => performance.now(),
): (progress: GitProgress) => void {
  let next = Number.NEGATIVE_INFINITY;
  return (progress) => {
    if (progress.percent < 100 && now() < next) return;
    next = now() + reportInterval;
    report(progress);
  };
}
