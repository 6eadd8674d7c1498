import { expect, test } from 'vitest';
import { createMailbox } from '../../../../src/worker/journald/mailbox.ts';

const cursor = (number: number) => `s=a;i=${number.toString(16)};b=0;m=0;t=${number.toString(16)};x=0`;
const record = (number: number, bytes = 1) => ({
  ...{
    cursor: cursor(number),
    time: '1',
    message: Buffer.alloc(bytes),
    pid: '1',
    continues: false,
    units: [],
  },
});
const never = new AbortController().signal;
const mailbox = () => createMailbox(() => undefined);

test('a reader gets what has come in one piece, or waits for it, or for its signal', async () => {
  const box = mailbox();
  box.put(record(1));
  box.put(record(2));
  expect(await box.next(never)).toEqual([record(1), record(2)]);
  const waiting = box.next(never);
  box.put(record(3));
  expect(await waiting).toEqual([record(3)]);
  const stop = new AbortController();
  const stopped = box.next(stop.signal);
  stop.abort();
  expect(await stopped).toBeNull();
});

test('a reader that takes nothing is told that it is behind, costs no more, and goes on with what comes then', async () => {
  const box = mailbox();
  for (let n = 0; n < 100; n++) box.put(record(n, 48 * 1024));
  expect(await box.next(never)).toBe('behind');
  box.put(record(100));
  expect(await box.next(never)).toEqual([record(100)]);
});

test('a reader whose source is lost is told so, whatever it waits for, and does not take it for the end', async () => {
  const lost = new Error('the journal cannot be read');
  const box = mailbox();
  const waiting = box.next(never);
  box.fail(lost);
  await expect(waiting).rejects.toBe(lost);
  await expect(box.next(never)).rejects.toBe(lost);
  expect(await box.passes(cursor(1), never)).toBe(false);
});

test('a mailbox is up to date when the source has passed a record, whichever unit that one is of', async () => {
  const box = mailbox();
  box.begin(cursor(3));
  expect(await box.passes(cursor(3), never)).toBe(true);
  const passes = box.passes(cursor(5), never);
  box.pass(cursor(4));
  box.pass(cursor(6));
  expect(await passes).toBe(true);
  expect(await box.passes(cursor(9), AbortSignal.abort())).toBe(false);
});
