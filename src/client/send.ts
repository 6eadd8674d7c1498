import { GeardError, refusalOf } from './error.ts';

/** A request, and how often it is sent again where it may have got lost. */
export interface Sent {
  url: string;
  method: string;
  headers: Record<string, string>;
  body?: string;
  retries: number;
  onRetry: ((error: Error, pause: number) => void) | undefined;
  fetch: typeof fetch;
  signal: AbortSignal | undefined;
}

/**
 * Milliseconds before a request is sent again for the first time; they double up to the longest.
 */
const [firstPause, longestPause] = [250, 8_000];
/** How often what follows a job or a log is sent again: for about two minutes. */
const followRetries = 20;
/** The same request for what goes on meanwhile: an api that is restarted does not end it. */
export const patiently = (sent: Sent): Sent => ({
  ...sent,
  retries: sent.retries === 0 ? 0 : Math.max(sent.retries, followRetries),
});

/** Milliseconds for an answer: more than the api holds a request that waits for a job. */
const deadline = 90_000;

/**
 * Sends a request until there is an answer, and reads it. Throws GeardError where it is refused.
 */
export async function send<T>(sent: Sent, read: (response: Response) => T | Promise<T>): Promise<T> {
  const { url, method, headers, body, retries, signal, onRetry } = sent;
  const request = { method, headers, ...(body !== undefined && { body }) };
  new Request(url, request); // What can never be sent is a TypeError, too, and is not tried again.
  for (let tries = 0; ; tries++) {
    try {
      return await sendOnce(sent, request, read);
    } catch (error) {
      if (tries >= retries || !passes(error)) throw error;
      const retryAfter = (error instanceof GeardError && error.retryAfter) || 0;
      const milliseconds = Math.max(retryAfter * 1000, Math.min(firstPause * 2 ** tries, longestPause));
      onRetry?.(error, milliseconds);
      await pause(milliseconds, signal);
    }
  }
}

const sendOnce = <T>(
  { url, signal, fetch }: Sent,
  request: RequestInit,
  read: (response: Response) => T | Promise<T>,
): Promise<T> =>
  inTime(signal, async (either) => {
    const response = await fetch(url, { ...request, signal: either });
    if (response.ok || response.status === 304) return await read(response);
    throw await refusalOf(response);
  });

/** An answer that is not there in time counts as lost. A stream may last as long as it likes. */
export async function inTime<T>(
  signal: AbortSignal | undefined,
  ask: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const late = new AbortController();
  const timer = setTimeout(
    () => late.abort(new TypeError(`there was no answer within ${deadline / 1000} s`)),
    deadline,
  );
  try {
    return await ask(signal ? AbortSignal.any([signal, late.signal]) : late.signal);
  } finally {
    clearTimeout(timer);
  }
}

const passing: readonly unknown[] = [429, 502, 503, 504];

/**
 * Whether the same may succeed a little later. What fetch cannot reach, and an answer that is cut
 * off, is a TypeError.
 */
export const passes = (error: unknown): error is Error =>
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
