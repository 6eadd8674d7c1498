import { expect, test } from 'vitest';
import { createLogWriter } from '../../../../src/worker/domain/log-format.ts';
import type { JournalRecord } from '../../../../src/worker/journald/journal-export.ts';

const record = (message: string | Buffer, more: Partial<JournalRecord> = {}): JournalRecord => ({
  cursor: 's=1',
  time: '1700000000000001',
  message: Buffer.from(message as string),
  pid: '7',
  units: [],
  continues: false,
  ...more,
});

test('plain text has every byte as it was logged, and a line that was cut is whole again', () => {
  const bytes = Buffer.from([0x61, 0x1b, 0x5b, 0x31, 0x6d, 0xff, 0xfe, 0x0d, 0x09]);
  const writer = createLogWriter('text/plain');
  const text = writer.records([
    record('one'),
    record(bytes),
    record('xx', { continues: true }),
    record('yy'),
    record(''),
  ]);
  expect(text).toEqual(Buffer.concat([Buffer.from('one\n'), bytes, Buffer.from('\nxxyy\n\n')]));
});

test('a line that was cut never runs into a record of another process, nor into a notice', () => {
  const writer = createLogWriter('text/plain');
  const first = writer.records([record('half', { continues: true }), record('other', { pid: '1' })]);
  expect(first.toString()).toBe('half\nother\n');
  writer.records([record('again', { continues: true })]);
  expect(writer.notice({ event: 'missed', lines: 3, reason: 'too slow' }).toString()).toBe(
    '\n-- geard: 3 lines missed: too slow --\n',
  );
});

test('an event has the cursor as its id, and no line end of a message can begin another field', () => {
  const writer = createLogWriter('text/event-stream');
  expect(writer.records([record('a\nid: evil\r\nb\rc')]).toString()).toBe(
    'id: s=1\ndata: a\ndata: id: evil\ndata: b\ndata: c\n\n',
  );
  expect(writer.notice({ event: 'end', reason: 'the time is up' }).toString()).toBe(
    'event: end\ndata: {"reason":"the time is up"}\n\n',
  );
});

test('JSON lines tell bytes that are no text as base64', () => {
  const writer = createLogWriter('application/x-ndjson');
  const lines = writer
    .records([record('a\nb'), record(Buffer.from([0xff]), { continues: true })])
    .toString()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines).toEqual([
    { cursor: 's=1', time: '2023-11-14T22:13:20.000Z', message: 'a\nb' },
    { cursor: 's=1', time: '2023-11-14T22:13:20.000Z', message: '/w==', encoding: 'base64', continues: true },
  ]);
});
