import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Outcome } from '../../jobs/job.ts';
import { effect } from '../../lib/effect.ts';
import { nullIfAbsent, readIfThere } from '../../lib/files/if-there.ts';
import type { HostPaths } from '../domain/paths.ts';
import { readJson, readOrMake, removeDurably, writeComplete, writeJson } from '../host/files.ts';

/**
 * The worker's own record of finished jobs. A job in it never runs again, whatever happens to
 * Redis.
 */
export interface JobJournal {
  read(id: string): Promise<JournalEntry | null>;
  write(id: string, entry: JournalEntry): Promise<void>;
  /** Removes the files kept for a job that has ended. */
  clear(id: string): Promise<void>;
  /**
   * Records that a request was taken while its token was valid: it does not expire while its job
   * waits or runs again.
   */
  take(id: string, digest: string): Promise<void>;
  wasTaken(id: string, digest: string): Promise<boolean>;
  /** The result of the first call of `look` for a job. It stays on disk until the job ends. */
  checkpoint(id: string, look: () => Promise<string>): Promise<string>;
  /** Removes the files kept for ended jobs: a power cut may restore files that `clear` removed. */
  tidy(): Promise<void>;
  /** Removes files older than this number of seconds. */
  prune(seconds: number): Promise<void>;
}

const journalEntry = z.object({
  fingerprint: z.string(),
  outcome: z.custom<Outcome>((value) => typeof value === 'object' && value !== null && 'state' in value),
});
export type JournalEntry = z.infer<typeof journalEntry>;

export function createJobJournal(paths: HostPaths): JobJournal {
  const wasTaken = async (id: string, digest: string) => (await readIfThere(paths.taken(id))) === digest;
  return {
    read: (id) => readJson(paths.journal(id), journalEntry),
    write: (id, entry) => writeJson(paths.journal(id), entry),
    async clear(id) {
      for (const path of [paths.taken(id), paths.checkpoint(id)])
        await effect('file.remove', () => rm(path, { force: true }), path);
    },
    // Not durable: after a power cut a job with an expired token fails as expired, which is true.
    async take(id, digest) {
      if (!(await wasTaken(id, digest))) await writeComplete(paths.taken(id), digest, 0o600);
    },
    wasTaken,
    checkpoint: (id, look) => readOrMake(paths.checkpoint(id), look),
    async tidy() {
      const names = new Set(await readdir(paths.jobs));
      for (const name of names) {
        const id = /^([0-9a-f]{32})\.(?:taken|checkpoint)$/.exec(name)?.[1];
        if (id && names.has(`${id}.json`)) await rm(join(paths.jobs, name), { force: true });
      }
    },
    async prune(seconds) {
      const oldest = Date.now() - seconds * 1000;
      for (const name of await readdir(paths.jobs)) {
        if (!/^[0-9a-f]{32}\.(?:json|taken|checkpoint)$/.test(name)) continue;
        const path = join(paths.jobs, name);
        const found = await nullIfAbsent(stat(path)); // Null: its job has just ended.
        if (found !== null && found.mtimeMs < oldest) await removeDurably(path);
      }
    },
  };
}
