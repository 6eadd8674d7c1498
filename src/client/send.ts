import { GeardError, refusalOf } from './error.ts';

/** A request, and how often it is sent again where it may have got lost. */
export interface Sent {
  url: string;
  method: string;
  headers: Record<string, string>;
  body?: string;
  retries: number;
  signal: AbortSignal | undefined;
}

/** Milliseconds before a request is sent again for the first time; they double from then on. */
const firstPause = 250;

/**
 * Sends a request until there is an answer, and reads it. Throws GeardError where it is refused.
 */
export async function send<T>(
  { url, retries, signal, ...request }: Sent,
  read: (response: Response) => T | Promise<T>,
): Promise<T> {
  new Request(url, request); // What can never be sent is a TypeError, too, and is not tried again.
  for (let tries = 0; ; tries++) {
    try {
      const response = await fetch(url, { ...request, ...(signal && { signal }) });
      if (response.ok || response.status === 304) return await read(response);
      throw await refusalOf(response);
    } catch (error) {
      if (tries >= retries || !passes(error)) throw error;
      const retryAfter = (error instanceof GeardError && error.retryAfter) || 0;
      await pause(Math.max(retryAfter * 1000, firstPause * 2 ** tries), signal);
    }
  }
}

const passing: readonly unknown[] = [429, 502, 503, 504];

/**
 * Whether the same may succeed a little later. What fetch cannot reach, and an answer that is cut
 * off, is a TypeError.
 */
export const passes = (error: unknown): boolean =>
  error instanceof GeardError ? passing.includes(error.status) : error instanceof TypeError;

/** Throws the reason of the signal when it aborts. */
export function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve();
    }, milliseconds);
    signal?.addEventListener('abort', abort, { once: true });
  });
}
