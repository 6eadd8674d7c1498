const begin = '<!-- picture: begin; drawn by `npm run picture` -->\n';
const end = '<!-- picture: end -->\n';

/** A page with a new picture between its markers. Throws where it has none. */
export function withPicture(page: string, picture: string): string {
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from)
    throw new Error(`the page has no line ${begin.trim()} with ${end.trim()} after it`);
  return page.slice(0, from + begin.length) + picture + page.slice(to);
}
