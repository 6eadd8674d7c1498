import { createHash } from 'node:crypto';
import { realpath } from 'node:fs/promises';
import { createServer } from 'node:net';

/**
 * Makes this process the only worker of a base directory. The lock is an abstract Unix socket (unix(7)): the
 * kernel gives it to one process at a time and takes it back whenever that process ends, however it ends.
 * Returns how to give it up; rejects with a sentence when another worker has it.
 */
export async function lockHost(base: string): Promise<() => Promise<void>> {
  const digest = createHash('sha256')
    .update(await realpath(base))
    .digest('hex')
    .slice(0, 32);
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const taken = error.code === 'EADDRINUSE';
      reject(
        taken ? new Error(`another worker runs on this host with --base ${base}; stop it first`) : error,
      );
    });
    server.listen(`\0geard-worker-${digest}`, resolve);
  });
  server.unref();
  return () => new Promise((resolve) => server.close(() => resolve()));
}
