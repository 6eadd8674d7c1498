import { arrowsOf, groupBy, type Tree } from '../measure/tree.ts';

/** The imports that files of one folder of src have of another. */
export interface FolderArrow {
  from: string;
  to: string;
  /** Nothing of it is left at run time. */
  typeOnly: boolean;
}

/** `src/api/routes/reads.ts` is in `api`. */
const folderOf = (path: string) => path.split('/')[1] ?? '';

/** The arrows between the folders of src, in the order of the folders' names. */
export function folderArrows(tree: Tree): FolderArrow[] {
  const arrows = arrowsOf(tree)
    .map(({ file, to, typeOnly }) => ({ from: folderOf(file), to: folderOf(to), typeOnly }))
    .filter(({ from, to }) => from !== to);
  return [...groupBy(arrows, ({ from, to }) => `${from} ${to}`)]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([, [first, ...others]]) =>
      first ? [{ ...first, typeOnly: [first, ...others].every(({ typeOnly }) => typeOnly) }] : [],
    );
}

/** Draws arrows as a Mermaid graph, dotted where only types are imported. */
export function drawFolders(arrows: FolderArrow[]): string {
  const lines = [...groupBy(arrows, ({ from, typeOnly }) => `${from} ${typeOnly ? '-.->' : '-->'}`)].map(
    ([start, all]) => `  ${start} ${all.map(({ to }) => to).join(' & ')}`,
  );
  return ['```mermaid', 'graph TD', ...lines, '```', ''].join('\n');
}
