import type { Candidate } from './submission.ts';

/** Some candidates at random, of those against which the least speaks: another one would not be taken. */
export function sample(candidates: Candidate[], most: number): Candidate[] {
  if (candidates.length <= most) return candidates;
  const least = candidates.reduce((least, { avoid }) => Math.min(least, avoid), Number.POSITIVE_INFINITY);
  const fitting = candidates.filter(({ avoid }) => avoid === least);
  for (let i = 0; i < Math.min(most, fitting.length - 1); i++) {
    const other = i + Math.floor(Math.random() * (fitting.length - i));
    [fitting[i], fitting[other]] = [fitting[other] as Candidate, fitting[i] as Candidate];
  }
  return fitting.slice(0, most);
}
