import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const directory = join(import.meta.dirname, 'lua');
const include = /^-- @include "([\w/-]+\.lua)"\n/gm;

/**
 * Loads a script in `lua/` with its includes in front, each once. Paths of includes are relative to
 * `lua/`.
 *
 * @example loadScript('records/take.lua')
 */
export function loadScript(file: string, included = new Set<string>()): string {
  const text = readFileSync(join(directory, file), 'utf8');
  return text.replace(include, (_, path: string) => {
    if (included.has(path)) return '';
    included.add(path);
    return loadScript(path, included);
  });
}
