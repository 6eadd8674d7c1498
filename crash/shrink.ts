/**
 * Leaves out one of so many parts after the other for as long as a promise is broken without them, and returns their
 * numbers; null where it is kept now with all of them. `breaks` is asked once more than there are parts.
 */
export async function shrink(
  parts: number,
  breaks: (left: readonly number[]) => Promise<boolean>,
): Promise<number[] | null> {
  if (!(await breaks([]))) return null;
  let left: number[] = [];
  for (let number = 1; number <= parts; number++) {
    const tried = [...left, number];
    if (await breaks(tried)) left = tried;
  }
  return left;
}
