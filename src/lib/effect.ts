/**
 * Named points before and after every effect that leaves this process: `<effect>:before` and
 * `<effect>:after`. Tests fail, stop or kill the process there; without a listener a point costs
 * one comparison.
 */
export type FailpointListener = (point: string) => void | Promise<void>;

let listener: FailpointListener | null = null;

/** Sets the listener called at every failpoint; null removes it. Its errors fail the effect. */
export function listenToFailpoints(next: FailpointListener | null): void {
  listener = next;
}

/**
 * One operation on Docker, systemd, Redis or a file, or one run of a program. It contains names
 * that clients chose, but no values, URLs or tokens.
 */
export interface Trace {
  /** Such as `dbus.StartUnit`. */
  effect: string;
  /** A path, a unit or a container; undefined if the effect's name is enough. */
  of: string | undefined;
  ms: number;
  /** `done`, or the code or the name of the error. */
  outcome: string;
}

let tracer: ((trace: Trace) => void) | null = null;

/** Sets the tracer called after every effect; null removes it. */
export function traceEffects(next: ((trace: Trace) => void) | null): void {
  tracer = next;
}

/** Carries out an operation and reports it to the tracer. */
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
 * Carries out an effect between its two failpoints and traces it. `of`: the object of the effect.
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
