import { createServer } from 'node:http';
import type { Transport } from '../jobs/rpc/streams.ts';
import { listen } from '../lib/http/listen.ts';
import { type ApiParts, createApp } from './create-app.ts';
import { serveCopies } from './streams/copies.ts';
import { createStreamOpener } from './streams/open-stream.ts';

export interface RunningApi {
  /** `http://address:port`, with the actual port. */
  url: string;
  /**
   * Stops listening, waits for running requests, and breaks off the rest after the grace period, in
   * milliseconds.
   */
  close(grace: number): Promise<void>;
}

export interface ApiOptions extends Omit<ApiParts, 'open'> {
  /** The transport of streams from the workers. */
  transport: Transport;
}

/** Starts an api. Rejects when it cannot listen. */
export async function startApi(
  { transport, ...options }: ApiOptions,
  place: { host: string; port: number },
): Promise<RunningApi> {
  const { queue, log } = options;
  const parts: ApiParts = { ...options, open: createStreamOpener(queue, transport) };
  const server = createServer(createApp(parts));
  server.keepAliveTimeout = 65_000; // Longer than a usual load balancer's, which then closes first.
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
      }),
  };
}
