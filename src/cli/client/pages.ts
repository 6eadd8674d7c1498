interface Page<T> {
  items: readonly T[];
  next?: string | undefined;
}

interface Asked {
  after: string | undefined;
  limit: number;
}

/** Items per request: the maximum that the api allows. */
const pageSize = 1_000;

/** Reads the items of a list, page by page, at most `most` of them. */
export async function readPages<T>(
  read: (asked: Asked) => Promise<Page<T>>,
  most = Number.POSITIVE_INFINITY,
): Promise<T[]> {
  const all: T[] = [];
  let after: string | undefined;
  while (all.length < most) {
    const limit = Math.min(most - all.length, pageSize);
    const { items, next } = await read({ limit, after });
    all.push(...items);
    if (next === undefined) break;
    after = next;
  }
  return all;
}
