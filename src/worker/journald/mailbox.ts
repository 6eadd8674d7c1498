import { isLater, type JournalRecord } from './journal-export.ts';

/** What a unit has logged and its reader has not taken yet; so much is kept. */
export interface Mailbox {
  put(record: JournalRecord): void;
  /** What comes is put from after this record of the journal. */
  begin(cursor: string | null): void;
  /** Everything up to this record of the journal has been put. */
  pass(cursor: string): void;
  fail(error: Error): void;
  /**
   * What was put since the last call, as soon as there is something; null when the signal aborts
   * first. `behind`: more has come than is kept, and the reader has to look for it in the journal.
   * What comes from now on is kept again.
   */
  next(signal: AbortSignal): Promise<JournalRecord[] | 'behind' | null>;
  /** Whether everything up to a record of the journal has been put before the signal aborts. */
  passes(cursor: string, signal: AbortSignal): Promise<boolean>;
  close(): void;
}

/** Bytes that are kept, and what a record takes besides its message. */
const maxBytes = 256 * 1024;
const recordBytes = 400;

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
      bytes += record.message.length + recordBytes;
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
