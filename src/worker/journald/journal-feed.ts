import type { Logger } from 'pino';
import { pause } from '../../lib/async/pause.ts';
import { followJournal, type JournalReader, newestCursor } from './journal.ts';
import type { JournalRecord } from './journal-export.ts';
import { createMailbox, type Mailbox } from './mailbox.ts';

/**
 * Passes on units' log records as they come. One journalctl follows the whole journal for the
 * followers of all units: each journalctl takes one of root's inotify instances, of which the
 * kernel grants 128 (inotify(7)), and wakes up for every record of the host.
 */
export interface JournalFeed {
  /**
   * Follows a unit's records after `since`, roughly the newest record of the journal. Rejects when
   * the journal cannot be read.
   */
  follow(unit: string): Promise<{ mailbox: Mailbox; since: string | null }>;
}

/**
 * Milliseconds before the journal is followed again. Without a free inotify instance journalctl
 * reads once and ends, so this is then the interval between two reads.
 */
const followAgain = 1_000;

interface Source {
  /** The last record up to which everything was delivered; null: none. */
  position(): Promise<string | null>;
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
        // A copy: a record kept for a slow reader must not keep all bytes that were read with it.
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
        const since = await source.position();
        mailbox.begin(since);
        return { mailbox, since };
      } catch (error) {
        mailbox.close();
        throw error;
      }
    },
  };
}

/** Follows the journal from its current end, also after its journalctl has ended. */
function openSource(
  deliver: (records: JournalRecord[]) => void,
  fail: (error: Error) => void,
  log: Logger,
): Source {
  const closed = new AbortController();
  let position = newestCursor();
  let reader: JournalReader<JournalRecord[]> | null = null;
  const run = async () => {
    for (;;) {
      reader = followJournal(await position);
      for await (const records of reader.output) {
        deliver(records);
        const cursor = records.at(-1)?.cursor;
        if (cursor !== undefined) position = Promise.resolve(cursor);
      }
      closed.signal.throwIfAborted();
      log.warn(
        { pause: followAgain },
        'journalctl has exited and will be restarted; check whether inotify instances are left',
      );
      await pause(followAgain, closed.signal);
    }
  };
  run().catch((error: Error) => {
    if (!closed.signal.aborted) fail(error);
  });
  return {
    position: () => position,
    close() {
      closed.abort();
      void reader?.close();
    },
  };
}
