/** One record of the journal. */
export interface JournalRecord {
  cursor: string;
  /** Microseconds since the epoch, as digits. */
  time: string;
  /** The logged bytes, without a line end. */
  message: Buffer;
  /** The process that logged it. */
  pid: string;
  /** journald has cut a long line here: the next record of the same process continues it. */
  continues: boolean;
  /** Units whose log contains it, if their fields were requested. */
  units: string[];
}

/** The fields that `createExportParser` needs (journalctl(1), --output-fields). */
export const exportFields = 'MESSAGE,_PID,_LINE_BREAK';

/**
 * Fields by which `journalctl --unit` finds the records of a unit: its own, and messages of root's
 * services about it.
 */
const aboutUnit = ['UNIT', 'OBJECT_SYSTEMD_UNIT', 'COREDUMP_UNIT'];
export const unitFields = ['_SYSTEMD_UNIT', '_UID', ...aboutUnit].join(',');

const newline = 0x0a;
const equals = 0x3d;

/**
 * Any local user may log a record of many megabytes: what exceeds these bytes of a message is
 * dropped, and so is any name of a unit that is longer than systemd permits.
 */
const maxMessage = 1024 * 1024;
const maxUnitName = 255;
/** Maximum bytes kept of a part: a message with its name. */
const maxKept = maxMessage + 64;

/**
 * Parses the Journal Export Format (https://systemd.io/JOURNAL_EXPORT_FORMATS/): one field per
 * line, an empty line after each record. A value that is not plain text comes as NAME, 64 bits of
 * length (little-endian) and the bytes. Returns a function that takes the next bytes and returns
 * the complete records.
 */
export function createExportParser(): (chunk: Buffer) => JournalRecord[] {
  const take = partTaker();
  let fields = noFields();
  /** The field whose length, and then whose value, comes next; null: a line comes next. */
  let name: string | null = null;
  let length: number | null = null;

  /** Takes a line and returns the record that it ends. */
  const takeLine = ({ bytes, start, end }: Part): JournalRecord | null => {
    if (end === start + 1) {
      const record = recordOf(fields);
      fields = noFields();
      return record;
    }
    const split = bytes.indexOf(equals, start);
    if (split < 0 || split >= end) name = bytes.toString('latin1', start, end - 1);
    else
      setField(fields, bytes.toString('latin1', start, split), bytes, split + 1, withoutNewline(bytes, end));
    return null;
  };

  return (chunk) => {
    const records: JournalRecord[] = [];
    for (let at = 0; at < chunk.length; ) {
      const size = name === null ? null : length === null ? 8 : length + 1;
      const part = take(chunk, at, size);
      if (part === null) break;
      const { bytes, start, end } = part;
      if (name === null) {
        const record = takeLine(part);
        if (record) records.push(record);
      } else if (length === null) {
        length = Number(bytes.readBigUInt64LE(start));
      } else {
        setField(fields, name, bytes, start, Math.min(start + length, end));
        name = null;
        length = null;
      }
      at = part.next;
    }
    return records;
  };
}

/** A whole part of the format: a line, a length or a value, with the newline that ends it. */
interface Part {
  bytes: Buffer;
  start: number;
  /** Before `start + size` if more than `maxKept` bytes came. */
  end: number;
  /** Where the next part begins in the chunk. */
  next: number;
}

/**
 * Returns a function that takes the part of `size` bytes, or of a line for null, that begins in a
 * chunk or continues there; null while it is incomplete.
 */
function partTaker(): (chunk: Buffer, at: number, size: number | null) => Part | null {
  let kept: Buffer[] = [];
  let keptBytes = 0;
  /** Bytes of an incomplete part that have come, kept or not. */
  let passed = 0;
  const keep = (bytes: Buffer) => {
    passed += bytes.length;
    if (keptBytes === maxKept) return;
    // A copy, so that a short one does not keep its whole chunk in memory.
    const copy = Buffer.from(bytes.subarray(0, maxKept - keptBytes));
    kept.push(copy);
    keptBytes += copy.length;
  };
  return (chunk, at, size) => {
    const next = size === null ? chunk.indexOf(newline, at) + 1 : at + size - passed;
    if (next === 0 || next > chunk.length) {
      keep(chunk.subarray(at));
      return null;
    }
    if (passed === 0) return { bytes: chunk, start: at, end: next, next };
    keep(chunk.subarray(at, next));
    const bytes = Buffer.concat(kept);
    kept = [];
    keptBytes = 0;
    passed = 0;
    return { bytes, start: 0, end: bytes.length, next };
  };
}

/** The end of a line of which the newline may have been dropped. */
const withoutNewline = (bytes: Buffer, end: number) => (bytes[end - 1] === newline ? end - 1 : end);

interface Fields extends JournalRecord {
  uid: string;
  /** Units that it claims to be about; any process can claim that. */
  about: string[];
}

const noMessage = Buffer.alloc(0);

const noFields = (): Fields => ({
  cursor: '',
  time: '',
  message: noMessage,
  pid: '',
  continues: false,
  units: [],
  uid: '',
  about: [],
});

function recordOf({ uid, about, ...record }: Fields): JournalRecord | null {
  if (record.cursor === '') return null;
  if (uid === '0') for (const unit of about) if (!record.units.includes(unit)) record.units.push(unit);
  return record;
}

function setField(record: Fields, name: string, bytes: Buffer, start: number, end: number): void {
  if (name === 'MESSAGE') record.message = bytes.subarray(start, Math.min(end, start + maxMessage));
  else if (name === '__CURSOR') record.cursor = bytes.toString('latin1', start, end);
  else if (name === '__REALTIME_TIMESTAMP') record.time = bytes.toString('latin1', start, end);
  else if (name === '_PID') record.pid = bytes.toString('latin1', start, end);
  else if (name === '_LINE_BREAK') record.continues = bytes.toString('latin1', start, end) === 'line-max';
  else if (name === '_SYSTEMD_UNIT') record.units.push(bytes.toString('utf8', start, end));
  else if (name === '_UID') record.uid = bytes.toString('latin1', start, end);
  else if (aboutUnit.includes(name) && end - start <= maxUnitName)
    record.about.push(bytes.toString('utf8', start, end));
}

/**
 * Whether a record came after another one: by journald's own count, or by its clock if the count
 * has begun anew.
 */
export function isLater(cursor: string, than: string): boolean {
  const [one, other] = [place(cursor), place(than)];
  return one.count === other.count ? one.number > other.number : one.time > other.time;
}

function place(cursor: string): { count: string; number: number; time: number } {
  const part = (name: string) => new RegExp(`(?:^|;)${name}=([0-9a-f]+)`).exec(cursor)?.[1] ?? '';
  return { count: part('s'), number: Number.parseInt(part('i'), 16), time: Number.parseInt(part('t'), 16) };
}
