import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { readIfThere } from '../../lib/files/if-there.ts';
import { replaceFile } from '../../lib/files/replace-file.ts';
import { parseJson } from '../../lib/parse-json.ts';
import { BadConfig } from '../options/config.ts';
import { contextsPath } from '../options/environment.ts';
import { optionTable } from '../options/options.ts';

const { api, tokenFile, user } = optionTable;

/** A named api, with the file of its token and the user of its jobs. */
const context = z.strictObject({
  api: api.schema,
  tokenFile: tokenFile.schema.optional(),
  user: user.schema.optional(),
});
export type Context = z.infer<typeof context>;

export const contextName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/);

export const contextsFile = z.strictObject({
  current: contextName.nullable(),
  contexts: z.record(contextName, context),
});
export type Contexts = z.infer<typeof contextsFile>;

/** Reads the contexts of this user; none without a file. Throws `BadConfig` for a broken file. */
export async function readContexts(path = contextsPath()): Promise<Contexts> {
  const text = await readIfThere(path);
  if (text === null) return { current: null, contexts: {} };
  const parsed = contextsFile.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  throw new BadConfig(`${path} does not have the format that gear context writes; fix or remove it`);
}

/** Writes the contexts. No other user may read the file: it shows where tokens are. */
export async function writeContexts(contexts: Contexts, path = contextsPath()): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await replaceFile(path, `${JSON.stringify(contexts, null, 2)}\n`, 0o600);
}

/** Returns the named context, else the one in use. Throws `BadConfig` for an unknown name. */
export async function findContext(name: string | undefined): Promise<Context | undefined> {
  const { current, contexts } = await readContexts();
  const chosen = name ?? current;
  if (chosen === null) return undefined;
  const found = Object.hasOwn(contexts, chosen) ? contexts[chosen] : undefined;
  if (found) return found;
  throw new BadConfig(`there is no context ${chosen.slice(0, 70)}; gear context ls lists all`);
}
