import type { LineKind } from '../jobs/resource.ts';
import type { Candidate } from './accept.ts';

/**
 * How many names hosts have, as the directory last said, and how many more are on their way to it: good enough to guess which
 * host it will choose for a new one. A wrong guess costs a round trip and nothing else.
 */
export interface Guesses {
  /** The candidate that is likely to be chosen, or null where there is none; it counts as chosen until `settle`. */
  best(kind: LineKind, candidates: readonly Candidate[]): string | null;
  /** What became of a guess is known. */
  settle(kind: LineKind, guess: string): void;
  /** What the directory has counted for each candidate, and the one it has chosen. */
  learn(kind: LineKind, candidates: readonly Candidate[], counts: readonly number[], chosen: string): void;
}

export function createGuesses(): Guesses {
  const known = new Map<string, { names: number; onTheirWay: number }>();
  const of = (kind: LineKind, host: string) => {
    const key = `${kind} ${host}`;
    const entry = known.get(key) ?? { names: 0, onTheirWay: 0 };
    known.set(key, entry);
    return entry;
  };
  return {
    best(kind, candidates) {
      let best: { host: string; avoid: number; likely: number } | null = null;
      for (const { host, avoid } of candidates) {
        const { names, onTheirWay } = of(kind, host);
        const likely = names + onTheirWay;
        if (!best || avoid < best.avoid || (avoid === best.avoid && likely < best.likely))
          best = { host, avoid, likely };
      }
      if (best) of(kind, best.host).onTheirWay += 1;
      return best?.host ?? null;
    },
    settle(kind, guess) {
      of(kind, guess).onTheirWay -= 1;
    },
    learn(kind, candidates, counts, chosen) {
      for (const [i, { host }] of candidates.entries())
        of(kind, host).names = (counts[i] ?? 0) + (host === chosen ? 1 : 0);
    },
  };
}
