/**
 * Waits until a condition holds; fails with its name at the deadline (milliseconds). The default is
 * for a machine that does other work, too.
 */
export async function until<T>(
  what: string,
  condition: () => Promise<T | false | null | undefined> | T | false | null | undefined,
  deadline = 45_000,
): Promise<T> {
  const end = Date.now() + deadline;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`not within ${deadline} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
