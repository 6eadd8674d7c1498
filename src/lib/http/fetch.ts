import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';

/** Statuses whose answers have no body, which Response insists on. */
const withoutBody: readonly unknown[] = [204, 205, 304];

/**
 * A `fetch` for what a command asks: over a connection of its own, without redirects, for a body
 * that is text. What cannot be reached, or is cut off, is a TypeError whose cause says why. Not the
 * global one: that of Node 20 never notices that its first connection was closed at once, which is
 * what Docker does with a published port until the program behind it listens.
 */
export const fetchOnce: typeof fetch = (url, { method = 'GET', headers, body, signal } = {}) =>
  new Promise((resolve, reject) => {
    const address = String(url);
    const request = address.startsWith('https:') ? requestHttps : requestHttp;
    const fail = (cause: unknown) => (signal?.aborted ? signal.reason : new TypeError('lost', { cause }));
    const sent = request(address, {
      method,
      headers: Object.fromEntries(new Headers(headers)),
      ...(signal && { signal }),
      agent: false,
    });
    // A connection that is gone without a word, as with its host, ends a stream within minutes.
    sent.setSocketKeepAlive(true, 15_000);
    sent.once('error', (error) => reject(fail(error)));
    sent.once('response', (message) => resolve(responseOf(message, fail)));
    sent.end(body);
  });

function responseOf(message: IncomingMessage, fail: (cause: unknown) => unknown): Response {
  const { statusCode: status = 0, headersDistinct } = message;
  const headers = Object.entries(headersDistinct).flatMap(([name, values = []]) =>
    values.map((value): [string, string] => [name, value]),
  );
  async function* chunks(): AsyncGenerator<Uint8Array> {
    try {
      yield* message;
    } catch (error) {
      throw fail(error);
    }
  }
  if (withoutBody.includes(status)) message.resume();
  return new Response(withoutBody.includes(status) ? null : ReadableStream.from(chunks()), {
    status,
    headers,
  });
}
