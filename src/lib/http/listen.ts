import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Logger } from 'pino';

export interface Listening {
  /** `address:port` in URL syntax, with the actual port. */
  address: string;
  /**
   * Stops listening, waits for running requests, and breaks off the rest after the grace period, in
   * milliseconds; default: at once.
   */
  close(grace?: number): Promise<void>;
}

/**
 * Makes a server listen. Rejects when it cannot. Logs later errors, such as a lack of descriptors
 * for connections, instead of ending the process.
 */
export async function listen(
  server: Server,
  { host, port }: { host: string; port: number },
  log: Logger,
): Promise<Listening> {
  const listening = once(server, 'listening');
  server.listen(port, host);
  await listening;
  server.on('error', (error) => log.error({ err: error }, 'a connection could not be accepted'));
  const { address, port: taken, family } = server.address() as AddressInfo;
  return {
    address: `${family === 'IPv6' ? `[${address}]` : address}:${taken}`,
    close: (grace = 0) =>
      new Promise((resolve) => {
        const timer = setTimeout(() => server.closeAllConnections(), grace);
        server.close(() => {
          clearTimeout(timer);
          resolve();
        });
      }),
  };
}
