import { readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Outcome } from '../../jobs/job.ts';
import { effect } from '../../lib/effect.ts';
import { readIfThere } from '../../lib/files/replace-file.ts';
import type { HostPaths } from '../domain/paths.ts';
import { removeDurably, writeDurably } from '../host/files.ts';

/**
 * The worker's own memory of the jobs it has brought to an end. Whatever becomes of Redis, a job
 * that is in it is not done a second time.
 */
export interface Journal {
  read(id: string): Promise<JournalEntry | null>;
  write(id: string, entry: JournalEntry): Promise<void>;
  /** Removes what was kept for a job that is over now. */
  clear(id: string): Promise<void>;
  /**
   * Notes that a request was taken while its token was valid: what waits or is begun again is not
   * too late.
   */
  take(id: string, digest: string): Promise<void>;
  wasTaken(id: string, digest: string): Promise<boolean>;
  /**
   * What `look` returned the first time that it was asked for a job; on disk until the job ends.
   */
  checkpoint(id: string, look: () => Promise<string>): Promise<string>;
  /**
   * Removes what was kept for jobs that are over: a power cut may bring back what `clear` has
   * removed.
   */
  tidy(): Promise<void>;
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
    write: (id, entry) => writeDurably(paths.journal(id), JSON.stringify(entry), 0o600),
    async clear(id) {
      for (const path of [paths.taken(id), paths.checkpoint(id)])
        await effect('file.remove', () => rm(path, { force: true }), path);
    },
    // Not durable: after a power cut a job whose token is over fails as expired, which is true.
    take: (id, digest) =>
      effect('file.write', () => writeFile(paths.taken(id), digest, { mode: 0o600 }), paths.taken(id)),
    wasTaken: async (id, digest) => (await readIfThere(paths.taken(id))) === digest,
    async checkpoint(id, look) {
      const seen = await readIfThere(paths.checkpoint(id));
      if (seen !== null) return seen;
      const first = await look();
      await writeDurably(paths.checkpoint(id), first, 0o600);
      return first;
    },
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
        if ((await stat(path)).mtimeMs < oldest) await removeDurably(path);
      }
    },
  };
}
