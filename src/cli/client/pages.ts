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

/** Yields the items of a list, page by page, at most `most` of them. */
export async function* readPages<T>(
  read: (asked: Asked) => Promise<Page<T>>,
  most = Number.POSITIVE_INFINITY,
): AsyncGenerator<T, void, void> {
  let after: string | undefined;
  for (let left = most; left > 0; ) {
    const limit = Math.min(left, pageSize);
    const { items, next } = await read({ limit, after });
    yield* items;
    if (next === undefined) return;
    after = next;
    left -= items.length;
  }
}
