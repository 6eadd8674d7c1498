import type { Logger } from 'pino';

/** Closes resources once, in reverse order, even if some cannot be closed. */
export interface Closers {
  push(close: () => unknown): void;
  /** Closes everything, then rejects with an AggregateError that names all errors, if any. */
  close(): Promise<void>;
  /**
   * Closes everything after a failed start, whose error must reach the caller: never rejects, but
   * logs what could not be closed.
   */
  abandon(log: Logger): Promise<void>;
}

export function createClosers(): Closers {
  const stack: (() => unknown)[] = [];
  let closing: Promise<void> | null = null;
  const closeAll = async () => {
    const errors: unknown[] = [];
    for (let close = stack.pop(); close; close = stack.pop()) {
      try {
        await close();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length === 0) return;
    const reasons = errors.map((error) => (error instanceof Error ? error.message : String(error)));
    throw new AggregateError(errors, `not everything could be closed: ${reasons.join('; ')}`);
  };
  const close = () => {
    closing ??= closeAll();
    return closing;
  };
  return {
    push: (one) => void stack.push(one),
    close,
    abandon: (log) => close().catch(({ message }: Error) => log.error({ reason: message }, 'closing failed')),
  };
}
