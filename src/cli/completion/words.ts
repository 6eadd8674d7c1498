import { fileURLToPath } from 'node:url';
import { readIfThere } from '../../lib/files/if-there.ts';
import { parseJson } from '../../lib/parse-json.ts';
import type { Words } from './collect-words.ts';

/** Created by the build: loading all commands takes longer than a shell may wait. */
const builtFile = fileURLToPath(new URL('words.json', import.meta.url));

/** Returns the words that may follow `gear`: those of the build, or else of the whole program. */
export async function readWords(): Promise<Words> {
  const built = await readIfThere(builtFile);
  if (built !== null) return parseJson(built) as Words;
  const [{ collectWords }, { createProgram }] = await Promise.all([
    import('./collect-words.ts'),
    import('../program.ts'),
  ]);
  return collectWords(await createProgram());
}
