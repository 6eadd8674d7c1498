import type { Logger } from 'pino';
import { pause } from '../../lib/pause.ts';
import type { JournalRecord } from '../domain/journal-export.ts';
import { followJournal, type JournalReader, newestCursor } from './journal.ts';
import { createMailbox, type Mailbox } from './mailbox.ts';

/**
 * Passes on what units log, as it comes. One journalctl follows the whole journal for all who follow any unit of the host:
 * each that follows takes one of root's inotify instances, of which the kernel grants 128 (inotify(7)), and wakes up for
 * every record that anybody logs.
 */
export interface JournalFeed {
  /** What the unit logs from now on. Rejects when the journal cannot be read. */
  follow(unit: string): Promise<Mailbox>;
}

/** Milliseconds before the journal is followed again. Where inotify has no instance left, journalctl reads once, and so often. */
const followAgain = 1_000;

interface Source {
  /** Resolves when nothing that is logged from now on is missed. */
  ready: Promise<void>;
  close(): void;
}

export function createJournalFeed(log: Logger): JournalFeed {
  const mailboxes = new Map<string, Set<Mailbox>>();
  let source: Source | null = null;

  function deliver(records: JournalRecord[]): void {
    for (const record of records) {
      for (const unit of record.units) {
        const readers = mailboxes.get(unit);
        if (!readers) continue;
        // A copy: what is kept for a slow reader must not keep all that was read with it.
        const kept = { ...record, message: Buffer.from(record.message) };
        for (const mailbox of readers) mailbox.put(kept);
      }
    }
    const cursor = records.at(-1)?.cursor;
    if (cursor !== undefined)
      for (const readers of mailboxes.values()) for (const one of readers) one.pass(cursor);
  }

  function fail(error: Error): void {
    source = null;
    for (const readers of mailboxes.values()) for (const mailbox of readers) mailbox.fail(error);
  }

  function leave(unit: string, mailbox: Mailbox): void {
    const readers = mailboxes.get(unit);
    readers?.delete(mailbox);
    if (readers?.size === 0) mailboxes.delete(unit);
    if (mailboxes.size > 0) return;
    source?.close();
    source = null;
  }

  return {
    async follow(unit) {
      const mailbox: Mailbox = createMailbox(() => leave(unit, mailbox));
      mailboxes.set(unit, (mailboxes.get(unit) ?? new Set()).add(mailbox));
      source ??= openSource(deliver, fail, log);
      try {
        await source.ready;
        return mailbox;
      } catch (error) {
        mailbox.close();
        throw error;
      }
    },
  };
}

/** Reads on from where the journal ends now, also after its journalctl has ended. */
function openSource(
  deliver: (records: JournalRecord[]) => void,
  fail: (error: Error) => void,
  log: Logger,
): Source {
  const closed = new AbortController();
  const start = newestCursor();
  let reader: JournalReader<JournalRecord[]> | null = null;
  const run = async () => {
    for (let cursor = await start; ; ) {
      closed.signal.throwIfAborted();
      reader = followJournal(cursor);
      for await (const records of reader.read) {
        deliver(records);
        cursor = records.at(-1)?.cursor ?? cursor;
      }
      closed.signal.throwIfAborted();
      log.warn(
        { pause: followAgain },
        'journalctl has ended; it is started again: are there inotify instances left?',
      );
      await pause(followAgain, closed.signal);
    }
  };
  run().catch((error: Error) => {
    if (!closed.signal.aborted) fail(error);
  });
  return {
    ready: start.then(() => undefined),
    close() {
      closed.abort();
      void reader?.close();
    },
  };
}
