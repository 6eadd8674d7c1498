import { readFileSync } from 'node:fs';
import type { JournalRecord } from '../domain/journal-export.ts';
import { followRecords, type JournalFollower } from './journal.ts';

/** Has those who follow a unit's journal hear of what is new in it, and share what was read a moment ago. */
export interface JournalWatch {
  watch(unit: string): UnitWatch;
}

export interface UnitWatch {
  /** Grows whenever something was logged. */
  readonly version: number;
  /** What was logged after a cursor; null: that has to be read. */
  after(cursor: string | null): JournalRecord[] | null;
  /**
   * Resolves when something was logged since a version, at which the journal was read up to a cursor (null: it held nothing),
   * after so many milliseconds, or when the signal aborts.
   */
  changed(
    since: { version: number; cursor: string | null },
    milliseconds: number,
    signal: AbortSignal,
  ): Promise<void>;
  close(): void;
}

/** Milliseconds after which one looks anyway where nobody can tell of news: journalctl has ended, or one more would be too many. */
const lookAgain = 2_000;

/** Every journalctl that follows takes one of the inotify instances that root has altogether (inotify(7)); half are left to others. */
const inotifyShare = 0.5;

interface Watched {
  version: number;
  /** The newest records, as they were logged. */
  recent: JournalRecord[];
  readers: number;
  listeners: Set<() => void>;
  follower: JournalFollower | null;
  /** When the last follower ended by itself (performance.now). */
  lostAt: number;
}

/** Records of a unit that are kept for those who follow it; journald cuts lines at 48 KiB. */
const mostRecent = 500;

/** One journalctl follows a unit, however many read its journal. */
export function createJournalWatch(most = Math.floor(inotifyInstances() * inotifyShare)): JournalWatch {
  const watched = new Map<string, Watched>();
  let following = 0;

  function follow(unit: string, one: Watched, cursor: string | null): void {
    if (one.follower !== null || following >= most || performance.now() < one.lostAt + lookAgain) return;
    const follower = followRecords({ unit, ...(cursor === null ? {} : { after: cursor }) }, (records) =>
      news(one, records),
    );
    one.follower = follower;
    following++;
    void follower.ended.then(() => {
      following--;
      one.follower = null;
      one.lostAt = performance.now();
      one.recent = [];
      news(one, []); // Who reads now sees what has come, and has it followed again later.
    });
  }

  return {
    watch(unit) {
      const one = watched.get(unit) ?? unwatched();
      watched.set(unit, one);
      one.readers++;
      return {
        get version() {
          return one.version;
        },
        after(cursor) {
          const at = one.recent.findLastIndex((record) => record.cursor === cursor);
          return at < 0 ? null : one.recent.slice(at + 1);
        },
        async changed({ version, cursor }, milliseconds, signal) {
          if (one.version !== version) return;
          follow(unit, one, cursor); // What was logged after the cursor is news at once.
          await heard(one, one.follower ? milliseconds : Math.min(milliseconds, lookAgain), signal);
        },
        close() {
          one.readers--;
          if (one.readers > 0) return;
          watched.delete(unit);
          one.follower?.close();
        },
      };
    },
  };
}

const unwatched = (): Watched => ({
  ...{ version: 0, recent: [], readers: 0, listeners: new Set(), follower: null },
  lostAt: Number.NEGATIVE_INFINITY,
});

function news(one: Watched, records: JournalRecord[]): void {
  one.recent = [...one.recent, ...records].slice(-mostRecent);
  one.version++;
  for (const tell of [...one.listeners]) tell();
}

function heard(one: Watched, milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const settle = () => {
      clearTimeout(timer);
      one.listeners.delete(settle);
      signal.removeEventListener('abort', settle);
      resolve();
    };
    const timer = setTimeout(settle, milliseconds);
    one.listeners.add(settle);
    signal.addEventListener('abort', settle);
    if (signal.aborted) settle();
  });
}

function inotifyInstances(): number {
  return Number(readFileSync('/proc/sys/fs/inotify/max_user_instances', 'utf8'));
}
