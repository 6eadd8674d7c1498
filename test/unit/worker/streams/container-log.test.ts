import { expect, test } from 'vitest';
import { withoutCursorLine } from '../../../../src/worker/streams/container-log.ts';

const cursor = `s=${'0'.repeat(32)};i=2a;b=${'1'.repeat(32)};m=1;t=2;x=3`;
const lines = Array.from({ length: 40 }, (_, i) => `line ${i} of a log\n`).join('');

test.each([
  1, 7, 100, 511, 512, 513, 4_096,
])('the line with the cursor is no line of the log, in chunks of %d bytes', async (size) => {
  const whole = Buffer.from(`${lines}-- cursor: ${cursor}\n`);
  async function* chunks() {
    for (let at = 0; at < whole.length; at += size) yield whole.subarray(at, at + size);
  }
  const log: { cursor: string | null } = { cursor: null };
  let text = '';
  for await (const chunk of withoutCursorLine(chunks(), log)) text += String(chunk);
  expect([text, log.cursor]).toEqual([lines, cursor]);
});
