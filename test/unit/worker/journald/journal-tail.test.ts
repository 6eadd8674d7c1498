import { expect, test } from 'vitest';
import { readableLines } from '../../../../src/worker/journald/journal-tail.ts';

test('a line that is cut shows it, and has no half of a character', () => {
  const face = '😀';
  const [line = '', other] = readableLines(`${'x'.repeat(499)}${face}${face}\nnext\n`);
  expect(line).toBe(`${'x'.repeat(499)}…`);
  expect(other).toBe('next');
});

test('a line of the maximum length is whole', () => {
  expect(readableLines(`${'x'.repeat(500)}\n`)).toEqual(['x'.repeat(500)]);
});

test('of more text than fits there are the last lines, each from its beginning', () => {
  const lines = Array.from({ length: 10 }, (_, i) => `${i}${'x'.repeat(480)}`);
  expect(readableLines(`${lines.join('\n')}\n`)).toEqual(lines.slice(2));
  const fitting = [...Array.from({ length: 7 }, () => 'y'.repeat(499)), 'y'.repeat(500)];
  expect(readableLines(fitting.join('\n'))).toEqual(fitting);
});

test('escape sequences are removed, and control characters replaced', () => {
  expect(readableLines('\x1b[31mred\x1b[0m\x07\n\n')).toEqual(['red�']);
});
