import { expect, test } from 'vitest';
import { createHostPredictor, type HostPredictor } from '../../../../src/queue/accept/host-predictor.ts';
import type { Candidate } from '../../../../src/queue/accept/submission.ts';

const candidates: Candidate[] = ['a', 'b', 'c'].map((host) => ({ host, memory: 100, avoid: 0 }));
/** Names and memory as the directory tells them. */
const services = (...names: number[]) => names.flatMap((count) => [String(count), null]);
const predicted = (predictor: HostPredictor, among = candidates) =>
  predictor.predict('gear', 'new', among)?.host;

test('predictions made before anything is known differ', () => {
  const predictor = createHostPredictor();
  expect([1, 2, 3].map(() => predicted(predictor))).toEqual(['a', 'b', 'c']);
});

test('the host with the fewest names is predicted, as the directory has last counted them', () => {
  const predictor = createHostPredictor();
  predictor.learn('gear', candidates, services(3, 2, 3), 'b');
  predictor.learn('gear', candidates.slice(0, 2), services(3, 5), 'a');
  expect(predicted(predictor)).toBe('c');
});

test('of hosts with as many names the one with the most memory left is predicted', () => {
  const predictor = createHostPredictor();
  predictor.learn('gear', candidates, ['1', '70', '1', '20', '0', '50'], 'c');
  expect(predicted(predictor)).toBe('b');
});

test('a prediction counts until it is known what became of it', () => {
  const predictor = createHostPredictor();
  predictor.learn('gear', candidates, services(1, 1, 4), 'c');
  const first = predictor.predict('gear', 'new', candidates);
  expect(first?.host).toBe('a');
  first?.settle();
  expect(predicted(predictor)).toBe('a');
  expect(predicted(predictor)).toBe('b');
});

test('a host against which something speaks is not predicted where there is another', () => {
  const predictor = createHostPredictor();
  predictor.learn('gear', candidates, services(0, 0, 7), 'c');
  const [a, b, c] = candidates as [Candidate, Candidate, Candidate];
  expect(predicted(predictor, [{ ...a, avoid: 2 }, { ...b, avoid: 1 }, c])).toBe('c');
});

test('kinds are counted apart, and where there is no host none is predicted', () => {
  const predictor = createHostPredictor();
  predictor.learn('gear', candidates, services(0, 9, 9), 'a');
  predictor.learn('repository', candidates, services(9, 0, 9), 'b');
  expect(predicted(predictor)).toBe('a');
  expect(predictor.predict('repository', 'new', candidates)?.host).toBe('b');
  expect(predictor.predict('gear', 'new', [])).toBe(null);
});

test('a name is predicted where it was last seen, for as long as not too many others were', () => {
  const predictor = createHostPredictor();
  expect(predictor.predict('gear', 'web', [])).toBe(null);
  predictor.see('gear', 'web', 'a');
  predictor.see('gear', 'web', 'c');
  expect(predictor.predict('gear', 'web', [])?.host).toBe('c');
  expect(predictor.predict('gear', 'web', candidates)?.host).toBe('c');
  expect(predictor.predict('repository', 'web', [])).toBe(null);
  for (let i = 0; i < 10_000; i++) predictor.see('gear', `g${i}`, 'a');
  expect(predictor.predict('gear', 'web', [])).toBe(null);
  expect(predictor.predict('gear', 'g0', [])?.host).toBe('a');
});
