import type { Candidate } from './submission.ts';

/**
 * At most `most` candidates: all, or a random choice among those with the lowest penalty, because
 * the directory would not choose any other.
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
