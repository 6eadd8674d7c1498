import { expect, test } from 'vitest';
import { createLogWriter } from '../../../../src/worker/domain/log-format.ts';
import { passOn, withoutCursorLine } from '../../../../src/worker/streams/container-log.ts';

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

test('others have a turn between two pieces of 64 KiB of a batch, which arrives whole', async () => {
  const record = (number: number, length: number) => ({
    ...{ cursor: `s=a;i=${number.toString(16)};t=1`, time: '1', pid: '1', continues: false, units: [] },
    message: Buffer.alloc(length, 'x'),
  });
  const batch = [20_000, 30_000, 48_000, 1, 100_000, 1, 60_000].map((length, at) => record(at + 1, length));
  const written: number[][] = [];
  const writer = {
    ...createLogWriter('text/plain'),
    records: (records: typeof batch) => {
      written.push(records.map(({ message }) => message.length));
      return Buffer.alloc(0);
    },
  };
  const log = { writer, cursor: record(1, 0).cursor };
  const cursors: string[] = [];
  const turns: number[] = [];
  let turn = 0;
  let waits = setImmediate(function next() {
    turn++;
    waits = setImmediate(next);
  });
  for await (const _ of passOn(log, batch)) {
    cursors.push(log.cursor);
    turns.push(turn);
  }
  clearImmediate(waits);
  expect(written).toEqual([[30_000], [48_000, 1], [100_000], [1, 60_000]]);
  expect(new Set(turns).size).toBe(written.length);
  expect([...cursors, log.cursor]).toEqual([1, 2, 4, 5, 7].map((number) => record(number, 0).cursor));
});
