import { createServer } from 'node:http';
import type { Transport } from '../jobs/rpc/streams.ts';
import { type Listening, listen } from '../lib/http/listen.ts';
import { answerClientErrors } from './client-error.ts';
import { type ApiParts, createApp } from './create-app.ts';
import { serveCopies } from './streams/copies.ts';
import { createStreamOpener } from './streams/open-stream.ts';

export interface RunningApi {
  /** `http://address:port`, with the actual port. */
  url: string;
  close: Listening['close'];
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
  // Without it a client that vanished while a log is idle would keep its stream.
  const server = createServer({ keepAlive: true, keepAliveInitialDelay: 15_000 }, createApp(parts));
  answerClientErrors(server);
  server.keepAliveTimeout = 65_000; // Longer than a usual load balancer's, which then closes first.
  const { address, close } = await listen(server, place, log);
  const endCopies = serveCopies(parts);
  return {
    url: `http://${address}`,
    close: (grace) => {
      endCopies();
      return close(grace);
    },
  };
}
