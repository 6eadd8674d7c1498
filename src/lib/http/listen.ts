import { once } from 'node:events';
import type { AddressInfo, Server } from 'node:net';
import type { Logger } from 'pino';

/**
 * Makes a server listen; rejects when it cannot. Resolves with `address:port` as a URL has it, with
 * the port that was really taken. Errors that come later, as where no descriptor is left for a
 * connection, end no process: they are logged.
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
