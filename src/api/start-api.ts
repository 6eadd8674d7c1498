import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type ApiParts, createApp } from './create-app.ts';

export interface RunningApi {
  /** `http://address:port`, with the port that was really taken. */
  url: string;
  /** Stops listening, lets running requests end, breaks off what still runs after the grace (milliseconds). */
  close(grace: number): Promise<void>;
}

/** Listens; rejects when it cannot. */
export async function startApi(parts: ApiParts, listen: { host: string; port: number }): Promise<RunningApi> {
  const server = createServer(createApp(parts));
  server.keepAliveTimeout = 65_000; // Longer than the usual load balancer's, so that it is the one to close.
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(listen.port, listen.host, () => resolve());
  });
  const { address, port, family } = server.address() as AddressInfo;
  return {
    url: `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`,
    close: (grace) =>
      new Promise((resolve) => {
        const timer = setTimeout(() => server.closeAllConnections(), grace);
        server.close(() => {
          clearTimeout(timer);
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}
