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
 * Parses the Journal Export Format (https://systemd.io/JOURNAL_EXPORT_FORMATS/): one field per
 * line, an empty line after each record. A value that is not plain text comes as NAME, 64 bits of
 * length (little-endian) and the bytes. Returns a function that takes the next bytes and returns
 * the complete records.
 */
export function createExportParser(): (chunk: Buffer) => JournalRecord[] {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    const records: JournalRecord[] = [];
    let from = 0;
    for (;;) {
      const parsed = parseRecord(bytes, from);
      if (!parsed) break;
      if (parsed.record) records.push(parsed.record);
      from = parsed.end;
    }
    // A copy, so that a short rest does not keep its whole chunk in memory.
    rest = from === bytes.length ? Buffer.alloc(0) : Buffer.from(bytes.subarray(from));
    return records;
  };
}

interface Fields extends JournalRecord {
  uid: string;
  /** Units that it claims to be about; any process can claim that. */
  about: string[];
}

const noMessage = Buffer.alloc(0);

/** The record that begins here, and its end; null while it is incomplete. */
function parseRecord(bytes: Buffer, from: number): { record: JournalRecord | null; end: number } | null {
  const fields: Fields = {
    cursor: '',
    time: '',
    message: noMessage,
    pid: '',
    continues: false,
    units: [],
    uid: '',
    about: [],
  };
  let at = from;
  for (;;) {
    const end = bytes.indexOf(newline, at);
    if (end < 0) return null;
    if (end === at) return { record: recordOf(fields), end: end + 1 };
    const split = bytes.indexOf(equals, at);
    if (split >= 0 && split < end) {
      setField(fields, bytes.toString('latin1', at, split), bytes, split + 1, end);
      at = end + 1;
    } else {
      if (bytes.length < end + 9) return null;
      const start = end + 9;
      const stop = start + Number(bytes.readBigUInt64LE(end + 1));
      if (bytes.length <= stop) return null;
      setField(fields, bytes.toString('latin1', at, end), bytes, start, stop);
      at = stop + 1;
    }
  }
}

function recordOf({ uid, about, ...record }: Fields): JournalRecord | null {
  if (record.cursor === '') return null;
  if (uid === '0') for (const unit of about) if (!record.units.includes(unit)) record.units.push(unit);
  return record;
}

function setField(record: Fields, name: string, bytes: Buffer, start: number, end: number): void {
  if (name === 'MESSAGE') record.message = bytes.subarray(start, end);
  else if (name === '__CURSOR') record.cursor = bytes.toString('latin1', start, end);
  else if (name === '__REALTIME_TIMESTAMP') record.time = bytes.toString('latin1', start, end);
  else if (name === '_PID') record.pid = bytes.toString('latin1', start, end);
  else if (name === '_LINE_BREAK') record.continues = bytes.toString('latin1', start, end) === 'line-max';
  else if (name === '_SYSTEMD_UNIT') record.units.push(bytes.toString('utf8', start, end));
  else if (name === '_UID') record.uid = bytes.toString('latin1', start, end);
  else if (aboutUnit.includes(name)) record.about.push(bytes.toString('utf8', start, end));
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
