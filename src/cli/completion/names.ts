import { hash } from 'node:crypto';
import { mkdir, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { type Client, createClient } from '../../client/client.ts';
import { readIfThere, replaceFile } from '../../lib/files/replace-file.ts';
import { parseJson } from '../../lib/parse-json.ts';
import type { NameKind } from '../client/row.ts';
import { openSession } from '../client/session.ts';
import { shortId } from '../client/show.ts';
import { environment, type Flags } from '../options/config.ts';

/** Milliseconds that a shell waits for names, and for which it has those of the time before. */
const [deadline, fresh] = [300, 5_000];
const most = 1_000;
const names = z.array(z.string());

type Ask = (client: Client, signal: AbortSignal) => Promise<string[]>;

const asks: Record<NameKind, Ask> = {
  gear: async (client, signal) =>
    (await client.container.list({ limit: most }, { signal })).containers.map(({ resource }) => resource),
  host: async (client, signal) => (await client.host.list({}, { signal })).hosts.map(({ name }) => name),
  job: async (client, signal) =>
    (await client.job.list({ limit: 20 }, { signal })).jobs.map(({ id }) => shortId(id)),
};

/**
 * Names that the api knows which the flags name; none where it does not answer at once. They are
 * kept for a moment, for this api and this token.
 */
export async function namesOf(kind: NameKind, flags: Flags): Promise<string[]> {
  const { connection } = await openSession({ ...flags, quiet: true });
  const whose = hash('sha256', `${connection.api} ${connection.token}`, 'hex').slice(0, 32);
  const file = join(cacheDirectory(), `${kind}-${whose}.json`);
  const kept = await readFresh(file);
  if (kept) return kept;
  const client = createClient({ ...connection, retries: 0 });
  const found = await asks[kind](client, AbortSignal.timeout(deadline));
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await replaceFile(file, JSON.stringify(found), 0o600);
  return found;
}

const cacheDirectory = () => join(environment['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'geard');

async function readFresh(file: string): Promise<string[] | null> {
  const { mtimeMs } = await stat(file).catch(() => ({ mtimeMs: 0 }));
  if (Date.now() - mtimeMs > fresh) return null;
  const parsed = names.safeParse(parseJson((await readIfThere(file)) ?? ''));
  return parsed.success ? parsed.data : null;
}
