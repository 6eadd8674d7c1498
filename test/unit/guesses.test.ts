import { expect, test } from 'vitest';
import { createGuesses, type Guesses } from '../../src/queue/accept/host-predictor.ts';
import type { Candidate } from '../../src/queue/accept/submission.ts';

const candidates: Candidate[] = ['a', 'b', 'c'].map((host) => ({ host, memory: 100, avoid: 0 }));
/** Names and memory as the directory tells them. */
const room = (...names: number[]) => names.flatMap((count) => [String(count), null]);
const guessed = (guesses: Guesses, among = candidates) => guesses.guess('gear', 'new', among)?.host;

test('guesses made before anything is known differ', () => {
  const guesses = createGuesses();
  expect([1, 2, 3].map(() => guessed(guesses))).toEqual(['a', 'b', 'c']);
});

test('the host with the fewest names is guessed, as the directory has last counted them', () => {
  const guesses = createGuesses();
  guesses.learn('gear', candidates, room(3, 2, 3), 'b');
  guesses.learn('gear', candidates.slice(0, 2), room(3, 5), 'a');
  expect(guessed(guesses)).toBe('c');
});

test('of hosts with as many names the one with the most memory left is guessed', () => {
  const guesses = createGuesses();
  guesses.learn('gear', candidates, ['1', '70', '1', '20', '0', '50'], 'c');
  expect(guessed(guesses)).toBe('b');
});

test('a guess counts until it is known what became of it', () => {
  const guesses = createGuesses();
  guesses.learn('gear', candidates, room(1, 1, 4), 'c');
  const first = guesses.guess('gear', 'new', candidates);
  expect(first?.host).toBe('a');
  first?.settle();
  expect(guessed(guesses)).toBe('a');
  expect(guessed(guesses)).toBe('b');
});

test('a host against which something speaks is not guessed where there is another', () => {
  const guesses = createGuesses();
  guesses.learn('gear', candidates, room(0, 0, 7), 'c');
  const [a, b, c] = candidates as [Candidate, Candidate, Candidate];
  expect(guessed(guesses, [{ ...a, avoid: 2 }, { ...b, avoid: 1 }, c])).toBe('c');
});

test('kinds are counted apart, and where there is no host none is guessed', () => {
  const guesses = createGuesses();
  guesses.learn('gear', candidates, room(0, 9, 9), 'a');
  guesses.learn('repository', candidates, room(9, 0, 9), 'b');
  expect(guessed(guesses)).toBe('a');
  expect(guesses.guess('repository', 'new', candidates)?.host).toBe('b');
  expect(guesses.guess('gear', 'new', [])).toBe(null);
});

test('a name is guessed where it was last seen, for as long as not too many others were', () => {
  const guesses = createGuesses();
  expect(guesses.seen('gear', 'web')).toBe(null);
  guesses.see('gear', 'web', 'a');
  guesses.see('gear', 'web', 'c');
  expect(guesses.seen('gear', 'web')?.host).toBe('c');
  expect(guesses.guess('gear', 'web', candidates)?.host).toBe('c');
  expect(guesses.seen('repository', 'web')).toBe(null);
  for (let i = 0; i < 10_000; i++) guesses.see('gear', `g${i}`, 'a');
  expect(guesses.seen('gear', 'web')).toBe(null);
  expect(guesses.seen('gear', 'g0')?.host).toBe('a');
});
