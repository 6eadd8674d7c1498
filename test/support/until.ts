/**
 * Waits until a condition holds; fails with its name at the deadline (milliseconds). The default is
 * for a machine that does other work, too.
 */
export async function until<T>(
  what: string,
  condition: () => Promise<T | false | null | undefined> | T | false | null | undefined,
  deadline = 45_000,
): Promise<T> {
  const start = Date.now();
  for (;;) {
    const began = Date.now();
    const value = await condition();
    if (value) return value;
    if (Date.now() > start + deadline) throw new Error(`not within ${deadline} ms: ${what}`);
    // A look that starts processes slows down what it waits for, and so do many looks: the longer
    // it has waited, the less a moment more counts.
    const rest = Math.min(250, Math.max(25, 2 * (Date.now() - began), (began - start) / 40));
    await new Promise((resolve) => setTimeout(resolve, rest));
  }
}
