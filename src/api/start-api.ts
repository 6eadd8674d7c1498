import { createServer } from 'node:http';
import type { Transport } from '../jobs/rpc/streams.ts';
import { listen } from '../lib/http/listen.ts';
import { type ApiParts, createApp } from './create-app.ts';
import { serveCopies } from './streams/copies.ts';
import { createStreamOpener } from './streams/open-stream.ts';

export interface RunningApi {
  /** `http://address:port`, with the port that was really taken. */
  url: string;
  /**
   * Stops listening, lets running requests end, breaks off what still runs after the grace
   * (milliseconds).
   */
  close(grace: number): Promise<void>;
}

export interface ApiOptions extends Omit<ApiParts, 'open'> {
  /** How streams come from the workers. */
  transport: Transport;
}

/** Listens; rejects when it cannot. */
export async function startApi(
  { transport, ...options }: ApiOptions,
  place: { host: string; port: number },
): Promise<RunningApi> {
  const { queue, log } = options;
  const parts: ApiParts = { ...options, open: createStreamOpener(queue, transport) };
  const server = createServer(createApp(parts));
  server.keepAliveTimeout = 65_000; // Longer than the usual load balancer's, so that it is the one to close.
  const taken = await listen(server, place, log);
  const endCopies = serveCopies(parts);
  return {
    url: `http://${taken}`,
    close: (grace) =>
      new Promise((resolve) => {
        endCopies();
        const timer = setTimeout(() => server.closeAllConnections(), grace);
        server.close(() => {
          clearTimeout(timer);
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}
