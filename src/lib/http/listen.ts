import { once } from 'node:events';
import type { AddressInfo, Server } from 'node:net';
import type { Logger } from 'pino';

/**
 * Makes a server listen. Resolves with `address:port` in URL syntax, with the actual port; rejects
 * when it cannot listen. Logs later errors, such as a lack of descriptors for connections, instead
 * of ending the process.
 */
export async function listen(
  server: Server,
  { host, port }: { host: string; port: number },
  log: Logger,
): Promise<string> {
  const listening = once(server, 'listening');
  server.listen(port, host);
  await listening;
  server.on('error', (error) => log.error({ err: error }, 'a connection could not be accepted'));
  const { address, port: taken, family } = server.address() as AddressInfo;
  return `${family === 'IPv6' ? `[${address}]` : address}:${taken}`;
}
