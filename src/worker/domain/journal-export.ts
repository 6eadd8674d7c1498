/** One record of the journal. */
export interface JournalRecord {
  cursor: string;
  /** Microseconds since the epoch, as digits. */
  time: string;
  /** The bytes that were logged, without an end of line. */
  message: Buffer;
  /** The process that logged it. */
  pid: string;
  /** journald has cut a long line here: the next record of the same process goes on with it. */
  continues: boolean;
}

/** The fields that `parseExport` wants to be given (journalctl(1), --output-fields). */
export const exportFields = 'MESSAGE,_PID,_LINE_BREAK';

const newline = 0x0a;
const equals = 0x3d;

/**
 * Reads the Journal Export Format (https://systemd.io/JOURNAL_EXPORT_FORMATS/): a field a line, an empty line after
 * each record. A value that is no plain text comes as NAME, 64 bits of length (little-endian) and the bytes.
 * Returns a function that takes the next bytes and returns the records that are whole.
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
    // A copy, so that a short rest does not keep all of its chunk.
    rest = from === bytes.length ? Buffer.alloc(0) : Buffer.from(bytes.subarray(from));
    return records;
  };
}

/** The record that begins here and where it ends; null while it is not whole. */
function parseRecord(bytes: Buffer, from: number): { record: JournalRecord | null; end: number } | null {
  const record: JournalRecord = { cursor: '', time: '', message: Buffer.alloc(0), pid: '', continues: false };
  let at = from;
  for (;;) {
    const end = bytes.indexOf(newline, at);
    if (end < 0) return null;
    if (end === at) return { record: record.cursor ? record : null, end: end + 1 };
    const split = bytes.indexOf(equals, at);
    if (split >= 0 && split < end) {
      setField(record, bytes.toString('latin1', at, split), bytes, split + 1, end);
      at = end + 1;
    } else {
      if (bytes.length < end + 9) return null;
      const start = end + 9;
      const stop = start + Number(bytes.readBigUInt64LE(end + 1));
      if (bytes.length <= stop) return null;
      setField(record, bytes.toString('latin1', at, end), bytes, start, stop);
      at = stop + 1;
    }
  }
}

function setField(record: JournalRecord, name: string, bytes: Buffer, start: number, end: number): void {
  if (name === 'MESSAGE') record.message = bytes.subarray(start, end);
  else if (name === '__CURSOR') record.cursor = bytes.toString('latin1', start, end);
  else if (name === '__REALTIME_TIMESTAMP') record.time = bytes.toString('latin1', start, end);
  else if (name === '_PID') record.pid = bytes.toString('latin1', start, end);
  else if (name === '_LINE_BREAK') record.continues = bytes.toString('latin1', start, end) === 'line-max';
}
