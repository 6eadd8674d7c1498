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
    const began = Date.now();
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`not within ${deadline} ms: ${what}`);
    // A look that starts processes slows down what it waits for.
    const rest = Math.min(250, Math.max(25, 2 * (Date.now() - began)));
    await new Promise((resolve) => setTimeout(resolve, rest));
  }
}
