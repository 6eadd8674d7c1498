/** Closes what was opened, once and in reverse order, whatever fails on the way. */
export interface Closers {
  push(close: () => unknown): void;
  /** Closes everything. Rejects with the errors that came up, after all have been closed. */
  close(): Promise<void>;
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
    if (errors.length > 0) throw new AggregateError(errors, 'not everything could be closed');
  };
  return {
    push: (close) => void stack.push(close),
    close: () => {
      closing ??= closeAll();
      return closing;
    },
  };
}
