import type { Writable } from 'node:stream';

/**
 * Milliseconds for which a reader may seem to take nothing. The kernel's buffers hide what it
 * takes: where they may grow to 32 MiB (tcp(7)), one that reads a megabyte a second seems to stand
 * still for half a minute.
 */
const maxStall = 100_000;

/**
 * Writes a body to a connection, as fast as the peer reads, and ends it. Rejects with what the body
 * threw, or when the connection is closed or stalls; the connection is then destroyed, so that
 * nobody takes a part for the whole.
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
 * Resolves when the connection takes more; rejects when the signal aborts or nothing is taken for
 * too long.
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
    const timer = setTimeout(() => settle(new Error('the reader reads nothing')), maxStall);
    connection.once('drain', onDrain);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}
