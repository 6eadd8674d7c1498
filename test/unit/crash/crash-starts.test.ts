import { expect, test } from 'vitest';
import { checkNotDoubled, checkNotMissing } from '../../../crash/check/starts.ts';

const starts = (...times: number[]) => times.map((at) => ({ gear: 'a', at }));
const once = new Map([['a', { least: 1, most: 1 }]]);
const boot = { from: 100, to: 200, most: 1 };
const doubled = (times: number[], windows = [boot]) =>
  checkNotDoubled('Docker', starts(...times), once, windows).map(({ promise }) => promise);

test('after a boot a gear may have been started once more than its jobs say, and not twice', () => {
  expect(doubled([50, 150])).toEqual([]);
  expect(doubled([150, 160])).toEqual([]);
  expect(doubled([50, 150, 160])).toEqual(['doubled']);
  expect(doubled([150, 160, 170])).toEqual(['doubled']);
});

test('a boot explains no start before it or long after it', () => {
  expect(doubled([50, 60])).toEqual(['doubled']);
  expect(doubled([50, 250])).toEqual(['doubled']);
});

test('two faults explain one start each, also where their times overlap', () => {
  const windows = [boot, { from: 120, to: 300, most: 1 }];
  expect(doubled([50, 150, 250], windows)).toEqual([]);
  expect(doubled([50, 110, 120, 250], windows)).toEqual(['doubled']);
});

test('a window may explain as many starts as it says', () => {
  const any = { ...boot, most: Number.POSITIVE_INFINITY };
  expect(doubled([50, 110, 120, 130], [any])).toEqual([]);
  expect(doubled([50, 60, 110, 120], [any])).toEqual(['doubled']);
});

test('a gear that nobody asked for must not be started at all, and one that was asked for must', () => {
  expect(checkNotDoubled('systemd', starts(1), new Map(), [])).toHaveLength(1);
  expect(checkNotMissing('systemd', [], once)).toHaveLength(1);
});
