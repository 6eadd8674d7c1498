import type { LineKind } from '../../jobs/fields/resource.ts';
import type { Candidate } from './submission.ts';

/** A host that is tried before the directory was asked. */
export interface PredictedHost {
  host: string;
  /** To be called when it is known what became of it. */
  settle(): void;
}

/**
 * Where the directory is likely to send a request: to the host that had the name when it was last seen, or to the one that it will
 * choose for a new name, from what it has last said of each and what is on its way. Good enough for a guess; a wrong one costs a
 * round trip and a delivery that finds nothing.
 */
export interface HostPredictor {
  /** For a name that may be new; null where there is no candidate. */
  guess(kind: LineKind, resource: string, candidates: readonly Candidate[]): PredictedHost | null;
  /** For a name that is there already; null where it was not seen. */
  seen(kind: LineKind, resource: string): PredictedHost | null;
  /** The host that has a name. */
  see(kind: LineKind, resource: string, host: string): void;
  /** What the directory had for each candidate: names, MiB that they ask for; and the host that it has chosen. */
  learn(
    kind: LineKind,
    candidates: readonly Candidate[],
    room: readonly (string | null)[],
    chosen: string,
  ): void;
}

/** Names whose hosts are remembered; those seen longest ago are forgotten first. */
const maxNames = 10_000;

interface Known {
  names: number;
  memory: number;
  onTheirWay: number;
}

export function createHostPredictor(): HostPredictor {
  const hosts = new Map<string, Known>();
  const holders = new Map<string, string>();
  const of = (kind: LineKind, host: string) => {
    const key = `${kind} ${host}`;
    const known = hosts.get(key) ?? { names: 0, memory: 0, onTheirWay: 0 };
    hosts.set(key, known);
    return known;
  };
  const seen = (kind: LineKind, resource: string): PredictedHost | null => {
    const host = holders.get(`${kind} ${resource}`);
    return host === undefined ? null : { host, settle: () => undefined };
  };
  /** In the order in which the directory chooses (scripts/lua/include/choose.lua), as far as it is known here. */
  const rank = (kind: LineKind, { host, memory, avoid }: Candidate) => {
    const known = of(kind, host);
    return [avoid, known.names + known.onTheirWay, known.memory - memory];
  };
  return {
    seen,
    guess(kind, resource, candidates) {
      const [first, ...others] = candidates;
      if (!first) return null;
      const known = seen(kind, resource);
      if (known) return known;
      let best = { host: first.host, rank: rank(kind, first) };
      for (const candidate of others) {
        const other = { host: candidate.host, rank: rank(kind, candidate) };
        if (isLess(other.rank, best.rank)) best = other;
      }
      const chosen = of(kind, best.host);
      chosen.onTheirWay += 1;
      return {
        host: best.host,
        settle() {
          chosen.onTheirWay -= 1;
        },
      };
    },
    see(kind, resource, host) {
      const key = `${kind} ${resource}`;
      holders.delete(key); // To be the youngest again.
      holders.set(key, host);
      const [oldest] = holders.keys();
      if (holders.size > maxNames && oldest !== undefined) holders.delete(oldest);
    },
    learn(kind, candidates, room, chosen) {
      for (const [i, { host }] of candidates.entries()) {
        const known = of(kind, host);
        known.names = Number(room[2 * i] ?? 0) + (host === chosen ? 1 : 0);
        known.memory = Number(room[2 * i + 1] ?? 0);
      }
    },
  };
}

function isLess(a: number[], b: number[]): boolean {
  for (const [i, value] of a.entries()) {
    const other = b[i] ?? 0;
    if (value !== other) return value < other;
  }
  return false;
}
