import { GeardError, refusalOf } from './error.ts';

/** A request, with its retries if it may have been lost. */
export interface PreparedRequest {
  url: string;
  method: string;
  headers: Record<string, string>;
  body?: string;
  retries: number;
  onRetry(error: Error, pause: number): void;
  fetch: typeof fetch;
  signal: AbortSignal | undefined;
}

/** Milliseconds before the first retry, which double up to the longest pause. */
const [firstPause, longestPause] = [250, 8_000];
/** Retries of a request that follows a job or a log: about two minutes. */
const followRetries = 20;
/** Raises the retries of a request: a restart of the api does not end it. 0 stays 0. */
export const patiently = (prepared: PreparedRequest): PreparedRequest => ({
  ...prepared,
  retries: prepared.retries === 0 ? 0 : Math.max(prepared.retries, followRetries),
});

/** Timeout in milliseconds: longer than the api holds a request that waits for a job. */
const deadline = 90_000;

/** Sends a request, retries it, and reads the answer. Throws GeardError when it is refused. */
export async function send<T>(
  prepared: PreparedRequest,
  read: (response: Response) => T | Promise<T>,
): Promise<T> {
  const { url, method, headers, body, retries, signal, onRetry, fetch } = prepared;
  const request = { method, headers, ...(body !== undefined && { body }) };
  new Request(url, request); // Throws a TypeError for a request that can never be sent, which is not retried.
  for (let tries = 0; ; tries++) {
    try {
      return await withDeadline(signal, async (either) => {
        const response = await fetch(url, { ...request, signal: either });
        if (response.ok || response.status === 304) return await read(response);
        throw await refusalOf(response);
      });
    } catch (error) {
      if (tries >= retries || !isRetryable(error)) throw error;
      const retryAfter = (error instanceof GeardError && error.retryAfter) || 0;
      const milliseconds = Math.max(retryAfter * 1000, Math.min(firstPause * 2 ** tries, longestPause));
      onRetry(error, milliseconds);
      await pause(milliseconds, signal);
    }
  }
}

/** Limits the time for an answer: a late one counts as lost. A stream may take any time. */
export async function withDeadline<T>(
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

const retryable: readonly unknown[] = [429, 502, 503, 504];

/**
 * Whether a retry may succeed. fetch throws a TypeError when it cannot reach the server or the
 * answer breaks off.
 */
export const isRetryable = (error: unknown): error is Error =>
  error instanceof GeardError ? retryable.includes(error.status) : error instanceof TypeError;

/** Waits for some milliseconds. Rejects with the signal's reason when it aborts. */
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
