import { readdir, stat } from 'node:fs/promises';
import { z } from 'zod';
import type { Outcome } from '../jobs/job.ts';
import type { HostPaths } from './domain/paths.ts';
import { readIfThere, removeDurably, writeDurably } from './host/files.ts';

/**
 * The worker's own memory of the jobs it has brought to an end. Whatever becomes of Redis, a job that is in it is
 * not done a second time.
 */
export interface Journal {
  read(id: string): Promise<JournalEntry | null>;
  write(id: string, entry: JournalEntry): Promise<void>;
  /** Forgets what is older than so many seconds. */
  prune(seconds: number): Promise<void>;
}

const journalEntry = z.object({
  fingerprint: z.string(),
  outcome: z.custom<Outcome>((value) => typeof value === 'object' && value !== null && 'state' in value),
});
export type JournalEntry = z.infer<typeof journalEntry>;

export function createJournal(paths: HostPaths): Journal {
  return {
    async read(id) {
      const text = await readIfThere(paths.journal(id));
      return text === null ? null : journalEntry.parse(JSON.parse(text));
    },
    async write(id, entry) {
      await writeDurably(paths.journal(id), JSON.stringify(entry), 0o600);
    },
    async prune(seconds) {
      const oldest = Date.now() - seconds * 1000;
      for (const name of await readdir(paths.jobs)) {
        const id = /^([0-9a-f]{32})\.json$/.exec(name)?.[1];
        if (id && (await stat(paths.journal(id))).mtimeMs < oldest) await removeDurably(paths.journal(id));
      }
    },
  };
}
