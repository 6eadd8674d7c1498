import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  createExportParser,
  isLater,
  type JournalRecord,
} from '../../../../src/worker/journald/journal-export.ts';

const record = fc.record({
  cursor: fc.stringMatching(/^s=[0-9a-f]{8};i=[0-9a-f]{1,4}$/),
  time: fc.nat().map(String),
  message: fc
    .oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.string().map((text) => Buffer.from(text)),
    )
    .map((bytes) => Buffer.from(bytes)),
  pid: fc.nat(100_000).map(String),
  continues: fc.boolean(),
  units: fc.constant<string[]>([]),
});

/** A field as the format has it: plain where the value is printable, else with its length. */
function field(name: string, value: Buffer): Buffer {
  const plain = /^[\x20-\x7e\t]*$/.test(value.toString('latin1'));
  if (plain) return Buffer.concat([Buffer.from(`${name}=`), value, Buffer.from('\n')]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(value.length));
  return Buffer.concat([Buffer.from(`${name}\n`), length, value, Buffer.from('\n')]);
}

function write({ cursor, time, message, pid, continues }: JournalRecord): Buffer {
  return Buffer.concat([
    field('__CURSOR', Buffer.from(cursor)),
    field('__REALTIME_TIMESTAMP', Buffer.from(time)),
    field('_BOOT_ID', Buffer.from('0123')),
    ...(continues ? [field('_LINE_BREAK', Buffer.from('line-max'))] : []),
    field('_PID', Buffer.from(pid)),
    field('MESSAGE', message),
    Buffer.from('\n'),
  ]);
}

test('every record comes out as it was written, wherever the bytes are cut', () => {
  fc.assert(
    fc.property(fc.array(record, { maxLength: 8 }), fc.array(fc.nat(200), { maxLength: 30 }), (all, cuts) => {
      const bytes = Buffer.concat(all.map(write));
      const parse = createExportParser();
      const read: JournalRecord[] = [];
      let from = 0;
      for (const cut of [...cuts, bytes.length]) {
        read.push(...parse(bytes.subarray(from, from + cut)));
        from += cut;
      }
      expect(read).toEqual(all);
    }),
  );
});

const MiB = 1024 * 1024;
const first = { cursor: 's=1', time: '1', pid: '2', continues: false, units: [] };
const next = { ...first, cursor: 's=2', message: Buffer.from('next') };

test.each([
  ['plain', 'x'],
  ['binary', '\xff'],
])('of a message above 1 MiB the first one is read, and the records after it: %s', (_, character) => {
  for (const length of [MiB - 1, MiB, MiB + 1, MiB + 100, 3 * MiB]) {
    const message = Buffer.alloc(length, character, 'latin1');
    const bytes = Buffer.concat([write({ ...first, message }), write(next)]);
    for (const size of [4_096, 65_537, bytes.length]) {
      const parse = createExportParser();
      const read: JournalRecord[] = [];
      for (let at = 0; at < bytes.length; at += size) read.push(...parse(bytes.subarray(at, at + size)));
      expect(read.map(({ cursor, pid }) => [cursor, pid])).toEqual([
        ['s=1', '2'],
        ['s=2', '2'],
      ]);
      expect(read[0]?.message.equals(message.subarray(0, MiB))).toBe(true);
      expect(read[1]?.message.toString()).toBe('next');
    }
  }
});

test.each(['plain', 'binary'])('a record of 256 MiB costs no more memory than 1 MiB of it: %s', (kind) => {
  const chunk = Buffer.alloc(64 * 1024, 'x');
  const count = 4_096;
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(count * chunk.length));
  const parse = createExportParser();
  const before = process.memoryUsage().arrayBuffers;
  const name = kind === 'plain' ? [Buffer.from('MESSAGE=')] : [Buffer.from('MESSAGE\n'), size];
  parse(Buffer.concat([Buffer.from('__CURSOR=s=1\n'), ...name]));
  for (let n = 0; n < count; n++) parse(chunk);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * MiB);
  const read = parse(Buffer.concat([Buffer.from('\n_PID=2\n\n'), write(next)]));
  expect(read.map(({ cursor, message, pid }) => [cursor, message.length, pid])).toEqual([
    ['s=1', MiB, '2'],
    ['s=2', 4, '2'],
  ]);
});

test('a record that was cut off at the end is not taken for a whole one', () => {
  const whole = write({
    cursor: 's=1',
    time: '1',
    message: Buffer.from('whole'),
    pid: '2',
    continues: false,
    units: [],
  });
  const parse = createExportParser();
  expect(parse(Buffer.concat([whole, whole.subarray(0, whole.length - 1)]))).toHaveLength(1);
});

test('a record belongs to the unit that logged it and to those of which root tells, and not to whom others name', () => {
  const of = (fields: Record<string, string>) => {
    const text = Object.entries({ __CURSOR: 's=1', ...fields }).map(([name, value]) => `${name}=${value}\n`);
    return createExportParser()(Buffer.from(`${text.join('')}\n`))[0]?.units;
  };
  const [own, other] = ['gear-a.service', 'gear-b.service'];
  expect(of({ _SYSTEMD_UNIT: own, _UID: '0' })).toEqual([own]);
  expect(of({ UNIT: own, _UID: '0', _SYSTEMD_UNIT: 'init.scope' })).toEqual(['init.scope', own]);
  expect(of({ OBJECT_SYSTEMD_UNIT: own, _UID: '0' })).toEqual([own]);
  expect(of({ UNIT: other, _UID: '1000', _SYSTEMD_UNIT: own })).toEqual([own]);
  expect(of({ _UID: '0' })).toEqual([]);
});

test('a record is later by its number, and by its time where journald counts anew', () => {
  const cursor = (count: string, number: string, time: string) =>
    `s=${count};i=${number};b=0;m=0;t=${time};x=0`;
  expect(isLater(cursor('a', '10', '5'), cursor('a', 'f', '6'))).toBe(true);
  expect(isLater(cursor('a', 'f', '6'), cursor('a', '10', '5'))).toBe(false);
  expect(isLater(cursor('a', 'f', '6'), cursor('a', 'f', '6'))).toBe(false);
  expect(isLater(cursor('b', '1', '6'), cursor('a', 'ff', '5'))).toBe(true);
});
