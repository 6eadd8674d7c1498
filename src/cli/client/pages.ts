interface Asked {
  after: string | undefined;
  limit: number;
}

/** Items per request: the maximum that the api allows. */
const pageSize = 1_000;

/** Reads the items of a list, page by page, at most `most` of them. */
export async function readPages<P extends { next?: string | undefined }, T>(
  read: (asked: Asked) => Promise<P>,
  itemsOf: (page: P) => readonly T[],
  most = Number.POSITIVE_INFINITY,
): Promise<T[]> {
  const all: T[] = [];
  let after: string | undefined;
  while (all.length < most) {
    const page = await read({ limit: Math.min(most - all.length, pageSize), after });
    all.push(...itemsOf(page));
    if (page.next === undefined) break;
    after = page.next;
  }
  return all;
}
