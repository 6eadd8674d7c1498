/**
 * Named points before and after every effect that leaves this process: `<effect>:before` and
 * `<effect>:after`. Tests fail, stop or kill the process there; without a listener a point costs
 * one comparison.
 */
export type FailpointListener = (point: string) => void | Promise<void>;

let listener: FailpointListener | null = null;

/**
 * Calls a listener at every failpoint from now on; null: none. What it throws, the effect throws.
 */
export function listenToFailpoints(next: FailpointListener | null): void {
  listener = next;
}

/**
 * What was done to Docker, systemd, Redis or a file, or which program was run. Names that callers
 * chose are in it; values, URLs and tokens are not.
 */
export interface Trace {
  /** Such as `dbus.StartUnit`. */
  effect: string;
  /** A path, a unit, a container; undefined where the effect says it all. */
  of: string | undefined;
  ms: number;
  /** `done`, or the code or the name of the error. */
  outcome: string;
}

let tracer: ((trace: Trace) => void) | null = null;

/** Calls the tracer after every effect from now on; null: no more. */
export function traceEffects(next: ((trace: Trace) => void) | null): void {
  tracer = next;
}

/** Carries something out and tells the tracer of it. */
export async function traced<T>(
  effect: string,
  of: string | undefined,
  carryOut: () => Promise<T>,
): Promise<T> {
  if (tracer === null) return carryOut();
  const started = performance.now();
  const tell = (outcome: string) =>
    tracer?.({ effect, of, ms: Math.round((performance.now() - started) * 10) / 10, outcome });
  try {
    const result = await carryOut();
    tell('done');
    return result;
  } catch (error) {
    const { code, name } = error as NodeJS.ErrnoException;
    tell(String(code ?? name));
    throw error;
  }
}

/**
 * Carries out an effect between its two failpoints, and traces it. `of`: what it is done to.
 *
 * @example await effect('file.rename', () => rename(draft, path), path);
 */
export async function effect<T>(name: string, carryOut: () => Promise<T>, of?: string): Promise<T> {
  if (listener === null) return traced(name, of, carryOut);
  await listener(`${name}:before`);
  const result = await traced(name, of, carryOut);
  await listener?.(`${name}:after`);
  return result;
}
