import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createExportParser, type JournalRecord } from '../../src/worker/domain/journal-export.ts';

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

test('a record that was cut off at the end is not taken for a whole one', () => {
  const whole = write({
    cursor: 's=1',
    time: '1',
    message: Buffer.from('whole'),
    pid: '2',
    continues: false,
  });
  const parse = createExportParser();
  expect(parse(Buffer.concat([whole, whole.subarray(0, whole.length - 1)]))).toHaveLength(1);
});
