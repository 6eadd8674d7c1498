/** What git says while it clones. */
export interface GitProgress {
  /** Such as "Receiving objects". */
  phase: string;
  percent: number;
  /** How much there is in all: objects, or deltas. */
  total: number;
}

/** The parts of git's report on stderr: it ends a line with a carriage return to write over it. */
const part = /^(?:remote: )?([A-Z][A-Za-z ]{2,40}):\s+(\d{1,3})% \(\d+\/(\d+)\)/;

/** Reads git's progress (git-clone(1), --progress) as it comes in pieces. */
export function createGitProgress(onProgress: (progress: GitProgress) => void): (text: string) => void {
  let rest = '';
  return (text) => {
    const lines = (rest + text).split(/[\r\n]/);
    // What has no end yet; no line of git's is longer.
    rest = (lines.pop() ?? '').slice(-1_000);
    for (const line of lines) {
      const [, phase, percent, total] = part.exec(line) ?? [];
      if (phase) onProgress({ phase, percent: Number(percent), total: Number(total) });
    }
  };
}
