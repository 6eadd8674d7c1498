import { hash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readIfThere } from '../../lib/files/replace-file.ts';
import { parseJson } from '../../lib/parse-json.ts';
import type { Contexts } from '../client/contexts.ts';
import type { NameKind } from '../client/row.ts';
import type { Flags } from '../options/config.ts';
import { cacheDirectory, contextsPath, environment } from '../options/environment.ts';

/** Milliseconds for which a shell is offered the names of the time before. */
const fresh = 5_000;

/**
 * Names that the api knows which the flags name; none where it does not answer at once. They are
 * kept for a moment, for this api and this token, so that what asks is not loaded at every key.
 */
export async function namesOf(kind: NameKind, flags: Flags): Promise<readonly string[]> {
  const file = join(cacheDirectory(), `${kind}-${await settingsHash(flags)}.json`);
  const kept = await readFresh(file);
  if (kept) return kept;
  const { askNames } = await import('./ask-names.ts');
  return askNames(kind, flags, file);
}

/** Names everything that may say which api is asked, and with which token. */
async function settingsHash(flags: Flags): Promise<string> {
  const ours = Object.entries(environment).filter(([name]) => name.startsWith('GEARD_'));
  const known = parseJson((await readIfThere(contextsPath())) ?? '') as Contexts | null;
  const ofContexts = Object.values(known?.contexts ?? {}).map(({ tokenFile }) => tokenFile);
  const files = [flags['tokenFile'], environment['GEARD_TOKEN_FILE'], ...ofContexts];
  const tokens = await Promise.all(files.map((file) => readIfThere(String(file)).catch(() => null)));
  return hash('sha256', JSON.stringify([flags, ours.sort(), known, tokens]), 'hex').slice(0, 32);
}

async function readFresh(file: string): Promise<string[] | null> {
  const { mtimeMs } = await stat(file).catch(() => ({ mtimeMs: 0 }));
  if (Date.now() - mtimeMs > fresh) return null;
  const names = parseJson((await readIfThere(file)) ?? '');
  return Array.isArray(names) ? names.filter((name) => typeof name === 'string') : null;
}
