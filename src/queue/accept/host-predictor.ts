import type { LineKind } from '../../jobs/fields/resource.ts';
import { BoundedMap } from '../../lib/bounded-map.ts';
import type { Candidate } from './submission.ts';

/** A host to try before asking the directory. */
export interface PredictedHost {
  host: string;
  /** Call it once the outcome is known. */
  settle(): void;
}

/**
 * Predicts the host the directory will choose. A wrong prediction costs a round trip and a delivery
 * that finds nothing.
 */
export interface HostPredictor {
  /**
   * The host last seen with the name, or the candidate that the directory will choose; null: none.
   */
  predict(kind: LineKind, resource: string, candidates: readonly Candidate[]): PredictedHost | null;
  /** Remembers the host that has a name. */
  see(kind: LineKind, resource: string, host: string): void;
  /**
   * Remembers the directory's figures for each candidate (names, MiB they request) and its choice.
   */
  learn(
    kind: LineKind,
    candidates: readonly Candidate[],
    room: readonly (string | null)[],
    chosen: string,
  ): void;
}

/** Maximum number of names to remember; the one seen longest ago goes first. */
const maxNames = 10_000;

interface Known {
  names: number;
  memory: number;
  onTheirWay: number;
}

export function createHostPredictor(): HostPredictor {
  const hosts = new Map<string, Known>();
  const holders = new BoundedMap<string, string>(maxNames);
  const of = (kind: LineKind, host: string) => {
    const key = `${kind} ${host}`;
    const known = hosts.get(key) ?? { names: 0, memory: 0, onTheirWay: 0 };
    hosts.set(key, known);
    return known;
  };
  return {
    predict(kind, resource, candidates) {
      const holder = holders.get(`${kind} ${resource}`);
      if (holder !== undefined) return { host: holder, settle: () => undefined };
      const [best] = candidates
        .map((candidate) => ({ candidate, known: of(kind, candidate.host) }))
        .sort(byRank);
      if (best === undefined) return null;
      const { candidate, known } = best;
      known.onTheirWay += 1;
      return {
        host: candidate.host,
        settle() {
          known.onTheirWay -= 1;
        },
      };
    },
    see(kind, resource, host) {
      holders.set(`${kind} ${resource}`, host);
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

interface Ranked {
  candidate: Candidate;
  known: Known;
}

/**
 * The order in which the directory chooses (scripts/lua/include/choose.lua), as far as known here.
 */
const byRank = (a: Ranked, b: Ranked) =>
  a.candidate.avoid - b.candidate.avoid ||
  a.known.names + a.known.onTheirWay - b.known.names - b.known.onTheirWay ||
  a.known.memory - a.candidate.memory - (b.known.memory - b.candidate.memory);
