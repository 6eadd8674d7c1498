import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** What an example of CONTRIBUTING.md does to one file: a code block that begins with ```diff PATH. */
export interface Change {
  path: string;
  /** Lines that begin with a space, `-` or `+`; between `@@` they stand together in the file. */
  hunks: string[][];
}

/** The changes in a page, in their order. */
export function changesIn(page: string): Change[] {
  return [...page.matchAll(/^```diff (\S+)\n([\s\S]*?)^```$/gm)].map(([, path = '', body = '']) => ({
    path,
    hunks: body
      .split(/^@@\n/m)
      .map((hunk) => hunk.replace(/\n$/, '').split('\n'))
      .map((lines) => lines.map((line) => (line === '' ? ' ' : line))),
  }));
}

/** Makes a change below a root. Throws where the file is not as the example says. */
export function applyChange(root: string, { path, hunks }: Change): void {
  const file = join(root, path);
  const text = hunks.reduce(
    (lines, hunk) => applyHunk(lines, hunk, path),
    existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [],
  );
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text.join('\n'));
}

/** `…` at the end of an old line stands for the rest of it. */
function applyHunk(lines: string[], hunk: string[], path: string): string[] {
  const old = hunk.filter((line) => !line.startsWith('+')).map((line) => line.slice(1));
  const fits = (line: string | undefined, wanted: string) =>
    wanted.endsWith('…') ? line?.startsWith(wanted.slice(0, -1)) : line === wanted;
  const places = [...lines.keys()].filter((at) => old.every((wanted, i) => fits(lines[at + i], wanted)));
  const [at = 0] = places;
  if (old.length > 0 && places.length !== 1)
    throw new Error(`${path} has ${places.length} places instead of one that read:\n${old.join('\n')}`);
  let next = at;
  const changed = hunk.flatMap((line) => {
    if (line.startsWith('+')) return [line.slice(1)];
    const kept = lines[next++] ?? '';
    return line.startsWith('-') ? [] : [kept];
  });
  return old.length === 0
    ? [...changed, ...lines, '']
    : [...lines.slice(0, at), ...changed, ...lines.slice(at + old.length)];
}
