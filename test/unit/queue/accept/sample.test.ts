import { expect, test } from 'vitest';
import { sample } from '../../../../src/queue/accept/sample.ts';
import type { Candidate } from '../../../../src/queue/accept/submission.ts';

const many = (count: number, avoid = 0): Candidate[] =>
  Array.from({ length: count }, (_, i) => ({ host: `h${avoid}-${i}`, memory: 1, avoid }));

test('a small fleet is compared as a whole', () => {
  const all = [...many(3), ...many(3, 2)];
  expect(sample(all, 8)).toEqual(all);
});

test('of many hosts so many are taken, none of them twice and all of them sooner or later', () => {
  const all = many(9);
  const seen = new Set<string>();
  for (let i = 0; i < 1_000; i++) {
    const hosts = sample(all, 8).map(({ host }) => host);
    expect(new Set(hosts).size).toBe(8);
    for (const host of hosts) seen.add(host);
  }
  expect(seen.size).toBe(9);
  expect(all).toEqual(many(9));
});

test('a host against which something speaks is not compared where there are others', () => {
  expect(sample([...many(20, 2), ...many(2)], 8).map(({ avoid }) => avoid)).toEqual([0, 0]);
});
