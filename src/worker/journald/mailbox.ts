import { isLater, type JournalRecord } from './journal-export.ts';

/** A unit's log records that its reader has not taken yet, up to a limit. */
export interface Mailbox {
  put(record: JournalRecord): void;
  /** From now on, every record after this one of the journal is put. */
  begin(cursor: string | null): void;
  /** Everything up to this record of the journal has been put. */
  pass(cursor: string): void;
  fail(error: Error): void;
  /**
   * The records put since the last call, as soon as there are any; null when the signal aborts
   * first. `behind`: more records came than fit, and the reader must read them from the journal.
   * New records are kept again from then on.
   */
  next(signal: AbortSignal): Promise<JournalRecord[] | 'behind' | null>;
  /** Whether everything up to a record of the journal has been put before the signal aborts. */
  passes(cursor: string, signal: AbortSignal): Promise<boolean>;
  close(): void;
}

/** Maximum bytes kept, and the bytes of a record besides its message. */
const maxBytes = 256 * 1024;
const recordBytes = 400;
const sizeOf = ({ message }: JournalRecord) => message.length + recordBytes;

/** Maximum bytes of records that are formatted at once: nothing else runs meanwhile. */
const pieceBytes = 64 * 1024;

/** Divides records into pieces of at most `pieceBytes`; a larger record is a piece of its own. */
export function* piecesOf(records: JournalRecord[]): Generator<JournalRecord[]> {
  let begin = 0;
  let bytes = 0;
  for (const [at, record] of records.entries()) {
    bytes += sizeOf(record);
    if (bytes <= pieceBytes || at === begin) continue;
    yield records.slice(begin, at);
    begin = at;
    bytes = sizeOf(record);
  }
  if (begin < records.length) yield records.slice(begin);
}

export function createMailbox(close: () => void): Mailbox {
  let records: JournalRecord[] = [];
  let bytes = 0;
  let behind = false;
  let failure: Error | null = null;
  let passed: string | null = null;
  let wake = () => {};

  /** Resolves when the condition holds or the signal aborts. */
  const when = (condition: () => boolean, signal: AbortSignal) =>
    new Promise<void>((resolve) => {
      wake = () => {
        if (!condition() && failure === null && !signal.aborted) return;
        signal.removeEventListener('abort', wake);
        wake = () => {};
        resolve();
      };
      signal.addEventListener('abort', wake);
      wake();
    });

  const empty = () => {
    const taken = records;
    records = [];
    bytes = 0;
    return taken;
  };

  return {
    put(record) {
      if (behind) return;
      bytes += sizeOf(record);
      records.push(record);
      if (bytes > maxBytes) {
        behind = true;
        empty();
      }
      wake();
    },
    begin(cursor) {
      passed ??= cursor;
    },
    pass(cursor) {
      passed = cursor;
      wake();
    },
    fail(error) {
      failure = error;
      wake();
    },
    async next(signal) {
      await when(() => behind || records.length > 0, signal);
      if (failure) throw failure;
      if (behind) {
        behind = false;
        return 'behind';
      }
      return records.length > 0 ? empty() : null;
    },
    async passes(cursor, signal) {
      const isPassed = () => passed !== null && !isLater(cursor, passed);
      await when(isPassed, signal);
      return failure === null && isPassed();
    },
    close,
  };
}
