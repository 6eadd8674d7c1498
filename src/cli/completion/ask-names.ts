import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Client, createClient } from '../../client/client.ts';
import { replaceFile } from '../../lib/files/replace-file.ts';
import type { NameKind } from '../client/row.ts';
import { openSession } from '../client/session.ts';
import { shortId } from '../client/show.ts';
import type { Flags } from '../options/config.ts';

/** Timeout for the api's answer while a shell waits, in milliseconds. */
const deadline = 300;
const most = 1_000;

/** Milliseconds after which cached names are removed. */
const old = 24 * 60 * 60 * 1_000;

type Ask = (client: Client, signal: AbortSignal) => Promise<string[]>;

const asks: Record<NameKind, Ask> = {
  gear: async (client, signal) =>
    (await client.container.list({ limit: most }, { signal })).containers.map(({ resource }) => resource),
  host: async (client, signal) =>
    (await client.host.list({ limit: most }, { signal })).hosts.map(({ name }) => name),
  job: async (client, signal) =>
    (await client.job.list({ limit: 20 }, { signal })).jobs.map(({ id }) => shortId(id)),
};

/** Reads names from the api into a file. Throws when the api does not answer in time. */
export async function askNames(kind: NameKind, flags: Flags, file: string): Promise<string[]> {
  const { connection } = await openSession({ ...flags, quiet: true });
  const client = createClient({ ...connection, retries: 0 });
  const found = await asks[kind](client, AbortSignal.timeout(deadline));
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await replaceFile(file, JSON.stringify(found), 0o600);
  await removeOld(dirname(file));
  return found;
}

/** Removes old files: without that the cache grows with every new token. */
async function removeOld(directory: string): Promise<void> {
  const removed = (await readdir(directory)).map(async (name) => {
    const path = join(directory, name);
    if (Date.now() - (await stat(path)).mtimeMs > old) await rm(path);
  });
  await Promise.allSettled(removed); // Another shell may have removed one.
}
