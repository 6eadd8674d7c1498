import { afterEach, expect, test, vi } from 'vitest';
import { createRecent } from '../../src/lib/recent.ts';

afterEach(() => void vi.useRealTimers());

test('what was added is known for its time, and again when it is added again', () => {
  vi.useFakeTimers();
  const recent = createRecent(100);
  expect(recent.has('a')).toBe(false);
  recent.add('a');
  vi.advanceTimersByTime(60);
  recent.add('a');
  vi.advanceTimersByTime(60);
  expect(recent.has('a')).toBe(true);
  vi.advanceTimersByTime(40);
  expect(recent.has('a')).toBe(false);
});

test('it holds no more than what was added within its time', () => {
  vi.useFakeTimers();
  const recent = createRecent(100);
  for (let i = 0; i < 1_000; i++) {
    recent.add(`10.0.0.${i}:80`);
    vi.advanceTimersByTime(10);
  }
  expect(recent.size()).toBeLessThanOrEqual(10);
});
