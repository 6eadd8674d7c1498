import type { Candidate } from './submission.ts';

/**
 * Some candidates at random, of those against which the least speaks: another one would not be
 * taken.
 */
export function sample(candidates: Candidate[], most: number): Candidate[] {
  if (candidates.length <= most) return candidates;
  const least = candidates.reduce((least, { avoid }) => Math.min(least, avoid), Number.POSITIVE_INFINITY);
  const fitting = candidates.filter(({ avoid }) => avoid === least);
  const drawn: Candidate[] = [];
  while (drawn.length < most && fitting.length > 0)
    drawn.push(...fitting.splice(Math.floor(Math.random() * fitting.length), 1));
  return drawn;
}
