import type { Writable } from 'node:stream';

/**
 * Milliseconds without visible progress after which a reader counts as stalled. The kernel's
 * buffers hide progress: if they may grow to 32 MiB (tcp(7)), a reader of a megabyte per second
 * seems to stand still for half a minute.
 */
const maxStall = 100_000;

/**
 * Writes a body to a connection, at the peer's pace, and ends it. Rejects with the body's error, or
 * when the signal aborts or the connection stalls. It then destroys the connection, so that the
 * peer does not take a part for the whole.
 */
export async function pump(
  body: AsyncIterable<Uint8Array>,
  connection: Writable,
  signal: AbortSignal,
): Promise<void> {
  try {
    for await (const chunk of body) {
      signal.throwIfAborted();
      if (!connection.write(chunk)) await drained(connection, signal);
    }
    connection.end();
  } catch (error) {
    connection.destroy();
    throw error;
  }
}

/**
 * Resolves when the connection accepts more data. Rejects when the signal aborts or the connection
 * accepts nothing for `maxStall`.
 */
function drained(connection: Writable, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: unknown) => {
      clearTimeout(timer);
      connection.off('drain', onDrain);
      signal.removeEventListener('abort', onAbort);
      if (error !== undefined) reject(error);
      else resolve();
    };
    const onDrain = () => settle();
    const onAbort = () => settle(signal.reason);
    const timer = setTimeout(() => settle(new Error('the reader has stopped reading')), maxStall);
    connection.once('drain', onDrain);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}
