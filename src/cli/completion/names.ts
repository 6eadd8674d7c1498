import { hash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readIfThere } from '../../lib/files/replace-file.ts';
import { parseJson } from '../../lib/parse-json.ts';
import type { NameKind } from '../client/row.ts';
import type { Flags } from '../options/config.ts';
import { cacheDirectory, environment, settingsDirectory } from '../options/environment.ts';

/** Milliseconds for which a shell is offered the names of the time before. */
const fresh = 5_000;

/**
 * Names that the api knows which the flags name; none where it does not answer at once. They are
 * kept for a moment, so that what asks the api is not loaded at every key.
 */
export async function namesOf(kind: NameKind, flags: Flags): Promise<readonly string[]> {
  const file = join(cacheDirectory(), `${kind}-${await settingsHash(flags)}.json`);
  const kept = await readFresh(file);
  if (kept) return kept;
  const { askNames } = await import('./ask-names.ts');
  return askNames(kind, flags, file);
}

/** Names everything that says which api is asked, and with which token. */
async function settingsHash(flags: Flags): Promise<string> {
  const ours = Object.entries(environment).filter(([name]) => name.startsWith('GEARD_'));
  const contexts = await readIfThere(join(settingsDirectory(), 'contexts.json'));
  return hash('sha256', JSON.stringify([flags, ours.sort(), contexts]), 'hex').slice(0, 32);
}

async function readFresh(file: string): Promise<string[] | null> {
  const { mtimeMs } = await stat(file).catch(() => ({ mtimeMs: 0 }));
  if (Date.now() - mtimeMs > fresh) return null;
  const names = parseJson((await readIfThere(file)) ?? '');
  return Array.isArray(names) ? names.filter((name) => typeof name === 'string') : null;
}
