import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { text } from 'node:stream/consumers';

export interface Query {
  method: string;
  headers: Record<string, string>;
  /** Milliseconds until the answer must be there, to its last byte. */
  deadline: number;
}

/**
 * Sends a request without a body, over a connection of its own, and follows no redirect. Rejects
 * when there is no whole answer in time. Not by fetch: that of Node 20 never notices that its first
 * connection was closed at once, which is what Docker does with a published port until the program
 * behind it listens.
 */
export async function askHttp(
  address: string,
  { method, headers, deadline }: Query,
): Promise<{ status: number; text: string }> {
  const request = address.startsWith('https:') ? requestHttps : requestHttp;
  const signal = AbortSignal.timeout(deadline);
  try {
    return await new Promise((resolve, reject) => {
      const sent = request(address, { method, headers, signal, agent: false }, (response) => {
        text(response).then((body) => resolve({ status: response.statusCode ?? 0, text: body }), reject);
      });
      sent.once('error', reject).end();
    });
  } catch (error) {
    throw signal.aborted ? new Error(`no answer within ${deadline / 1000} s`, { cause: error }) : error;
  }
}
