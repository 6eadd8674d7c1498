/** Progress of a clone, as git reports it. */
export interface GitProgress {
  /** Such as "Receiving objects". */
  phase: string;
  percent: number;
  /** Total number of objects or deltas. */
  total: number;
}

/** A line of git's progress on stderr. git ends it with a carriage return to write over it. */
const part = /^(?:remote: )?([A-Z][A-Za-z ]{2,40}):\s+(\d{1,3})% \(\d+\/(\d+)\)/;

/** Parses git's progress (git-clone(1), --progress) from pieces of text as they arrive. */
export function createGitProgress(onProgress: (progress: GitProgress) => void): (text: string) => void {
  let rest = '';
  return (text) => {
    const lines = (rest + text).split(/[\r\n]/);
    // The unfinished line; git has no longer lines.
    rest = (lines.pop() ?? '').slice(-1_000);
    for (const line of lines) {
      const [, phase, percent, total] = part.exec(line) ?? [];
      if (phase) onProgress({ phase, percent: Number(percent), total: Number(total) });
    }
  };
}
