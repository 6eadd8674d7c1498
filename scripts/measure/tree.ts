import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { type Import, measureLua, measureSource, type SourceFigures } from './source.ts';

/** Files by their paths from the root of a tree, with slashes. */
export type Tree = Map<string, SourceFigures>;

/** Reads all TypeScript and Lua below a folder of a tree, except that of installed packages. */
export function readTree(root: string, folder: string): Tree {
  const tree: Tree = new Map();
  for (const entry of readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).sort()) {
    const path = posix.join(folder, entry);
    if (path.split('/').includes('node_modules')) continue;
    if (path.endsWith('.ts')) tree.set(path, measureSource(path, readFileSync(join(root, path), 'utf8')));
    if (path.endsWith('.lua')) tree.set(path, measureLua(readFileSync(join(root, path), 'utf8')));
  }
  return tree;
}

export interface Arrow extends Import {
  file: string;
  /** The file that is imported. */
  to: string;
}

/** Every import of one file of the tree by another. */
export function arrowsOf(tree: Tree): Arrow[] {
  return [...tree].flatMap(([file, { imports }]) =>
    imports
      .filter(({ from }) => from.startsWith('.'))
      .map((one) => ({ ...one, file, to: posix.join(posix.dirname(file), one.from) })),
  );
}

/**
 * Groups of files that import each other round about, each counted once however many cycles run through it: the
 * strongly connected components with more than one file (Tarjan's algorithm).
 */
export function cyclesOf(arrows: { file: string; to: string }[]): string[][] {
  const next = groupBy(arrows, ({ file }) => file);
  const order = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const cycles: string[][] = [];
  const lower = (file: string, to: number) => low.set(file, Math.min(low.get(file) ?? to, to));

  function connect(file: string): void {
    order.set(file, order.size);
    low.set(file, order.size - 1);
    stack.push(file);
    for (const { to } of next.get(file) ?? []) {
      if (!order.has(to)) {
        connect(to);
        lower(file, low.get(to) ?? 0);
      } else if (stack.includes(to)) lower(file, order.get(to) ?? 0);
    }
    if (low.get(file) !== order.get(file)) return;
    const cycle = stack.splice(stack.indexOf(file));
    if (cycle.length > 1) cycles.push(cycle.sort());
  }

  for (const file of next.keys()) if (!order.has(file)) connect(file);
  return cycles;
}

/** `Map.groupBy`, which Node 20 does not have. */
export function groupBy<T>(all: Iterable<T>, keyOf: (one: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const one of all) {
    const group = groups.get(keyOf(one));
    if (group) group.push(one);
    else groups.set(keyOf(one), [one]);
  }
  return groups;
}

/** The folder with the most files of its own, those of its folders apart. */
export function fullestFolder(paths: Iterable<string>): { folder: string; files: number } {
  const folders = groupBy(paths, (path) => posix.dirname(path));
  const [folder = '', files = []] = [...folders].sort((a, b) => b[1].length - a[1].length)[0] ?? [];
  return { folder, files: files.length };
}
