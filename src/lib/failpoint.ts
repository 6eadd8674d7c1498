/**
 * Named points before and after every effect that leaves this process: `<effect>:before` and `<effect>:after`. Tests
 * fail, stop or kill the process there; without a listener a point costs one comparison.
 */
export type FailpointListener = (point: string) => void | Promise<void>;

let listener: FailpointListener | null = null;

/** Calls a listener at every failpoint from now on; null: none. What it throws, the effect throws. */
export function listenToFailpoints(next: FailpointListener | null): void {
  listener = next;
}

/**
 * Carries out an effect between its two failpoints.
 *
 * @example await effect('file.rename', () => rename(draft, path));
 */
export async function effect<T>(name: string, carryOut: () => Promise<T>): Promise<T> {
  if (listener === null) return carryOut();
  await listener(`${name}:before`);
  const result = await carryOut();
  await listener?.(`${name}:after`);
  return result;
}
