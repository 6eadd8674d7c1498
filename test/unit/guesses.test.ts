import { expect, test } from 'vitest';
import type { Candidate } from '../../src/queue/accept.ts';
import { createGuesses } from '../../src/queue/guesses.ts';

const candidates: Candidate[] = ['a', 'b', 'c'].map((host) => ({ host, memory: 1, avoid: 0 }));

test('guesses made before anything is known differ', () => {
  const guesses = createGuesses();
  expect([1, 2, 3].map(() => guesses.best('gear', candidates))).toEqual(['a', 'b', 'c']);
});

test('the host with the fewest names is guessed, as the directory has last counted them', () => {
  const guesses = createGuesses();
  guesses.learn('gear', candidates, [3, 2, 3], 'b');
  guesses.learn('gear', candidates.slice(0, 2), [3, 5], 'a');
  expect(guesses.best('gear', candidates)).toBe('c');
});

test('a guess counts until it is known what became of it', () => {
  const guesses = createGuesses();
  guesses.learn('gear', candidates, [1, 1, 4], 'c');
  expect(guesses.best('gear', candidates)).toBe('a');
  guesses.settle('gear', 'a');
  expect(guesses.best('gear', candidates)).toBe('a');
  expect(guesses.best('gear', candidates)).toBe('b');
});

test('a host against which something speaks is not guessed where there is another', () => {
  const guesses = createGuesses();
  guesses.learn('gear', candidates, [0, 0, 7], 'c');
  const [a, b, c] = candidates as [Candidate, Candidate, Candidate];
  expect(guesses.best('gear', [{ ...a, avoid: 2 }, { ...b, avoid: 1 }, c])).toBe('c');
});

test('kinds are counted apart, and where there is no host none is guessed', () => {
  const guesses = createGuesses();
  guesses.learn('gear', candidates, [0, 9, 9], 'a');
  guesses.learn('repository', candidates, [9, 0, 9], 'b');
  expect(guesses.best('gear', candidates)).toBe('a');
  expect(guesses.best('repository', candidates)).toBe('b');
  expect(guesses.best('gear', [])).toBe(null);
});
