import { hash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readIfThere } from '../../lib/files/if-there.ts';
import { parseJson } from '../../lib/parse-json.ts';
import type { Contexts } from '../client/contexts.ts';
import type { NameKind } from '../client/row.ts';
import type { Flags } from '../options/config.ts';
import { cacheDirectory, contextsPath, environment } from '../options/environment.ts';

/** Milliseconds for which a shell gets the cached names. */
const fresh = 5_000;

/**
 * Returns names from the api that the flags select. Rejects when it does not answer in time. Caches
 * names briefly for this api and token, so that not every key loads the client.
 */
export async function namesOf(kind: NameKind, flags: Flags): Promise<readonly string[]> {
  const file = join(cacheDirectory(), `${kind}-${await settingsHash(flags)}.json`);
  const kept = await readFresh(file);
  if (kept) return kept;
  const { askNames } = await import('./ask-names.ts');
  return askNames(kind, flags, file);
}

/** Hashes everything that may select the api and the token. */
async function settingsHash(flags: Flags): Promise<string> {
  const ours = Object.entries(environment).filter(([name]) => name.startsWith('GEARD_'));
  const known = parseJson((await readIfThere(contextsPath())) ?? '') as Contexts | null;
  const ofContexts = Object.values(known?.contexts ?? {}).map(({ tokenFile }) => tokenFile);
  const files = [flags['tokenFile'], environment['GEARD_TOKEN_FILE'], ...ofContexts].filter(
    (file) => typeof file === 'string',
  );
  const tokens = await Promise.all(files.map((file) => readIfThere(file).catch(() => null)));
  return hash('sha256', JSON.stringify([flags, ours.sort(), known, tokens]), 'hex').slice(0, 32);
}

async function readFresh(file: string): Promise<string[] | null> {
  const { mtimeMs } = await stat(file).catch(() => ({ mtimeMs: 0 }));
  if (Date.now() - mtimeMs > fresh) return null;
  const names = parseJson((await readIfThere(file)) ?? '');
  return Array.isArray(names) ? names.filter((name) => typeof name === 'string') : null;
}
