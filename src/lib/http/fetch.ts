import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';

/** Statuses without a body; Response rejects a body for them. */
const withoutBody: readonly unknown[] = [204, 205, 304];

/** The server has begun its answer and not ended it. */
export class BrokenOff extends TypeError {}

/** There was no connection, so nothing of the request was sent. */
export class NotConnected extends TypeError {}

/**
 * A `fetch` for commands: it opens a new connection, follows no redirects and sends text only. It
 * rejects with `NotConnected` when the server cannot be reached, with another TypeError when it
 * does not answer, and its body with `BrokenOff` when the answer breaks off; each has the reason as
 * its cause. Not the global fetch: in Node 20 it never notices that its first connection was closed
 * at once, as Docker does with a published port until the program behind it listens.
 */
export const fetchOnce: typeof fetch = (url, { method = 'GET', headers, body, signal } = {}) =>
  new Promise((resolve, reject) => {
    const address = String(url);
    const [request, connected] = address.startsWith('https:')
      ? ([requestHttps, 'secureConnect'] as const)
      : ([requestHttp, 'connect'] as const);
    let isConnected = false;
    const unlessAborted = (error: TypeError) => (signal?.aborted ? signal.reason : error);
    const fail = (cause: unknown) =>
      reject(unlessAborted(new (isConnected ? TypeError : NotConnected)('lost', { cause })));
    const sent = request(address, {
      method,
      headers: Object.fromEntries(new Headers(headers)),
      ...(signal && { signal }),
      agent: false,
    });
    // Keep-alive ends a stream within minutes when its connection or host is lost silently.
    sent.setSocketKeepAlive(true, 15_000);
    sent.once('socket', (socket) =>
      socket.once(connected, () => {
        isConnected = true;
      }),
    );
    sent.once('error', fail);
    sent.once('response', (message) => {
      try {
        resolve(responseOf(message, unlessAborted));
      } catch (error) {
        // Response rejects statuses above 599.
        message.destroy();
        fail(error);
      }
    });
    sent.end(body);
  });

function responseOf(message: IncomingMessage, unlessAborted: (error: TypeError) => unknown): Response {
  const { statusCode: status = 0, headersDistinct } = message;
  const headers = Object.entries(headersDistinct).flatMap(([name, values = []]) =>
    values.map((value): [string, string] => [name, value]),
  );
  async function* chunks(): AsyncGenerator<Uint8Array> {
    try {
      yield* message;
    } catch (error) {
      throw unlessAborted(new BrokenOff('lost', { cause: error }));
    }
  }
  if (withoutBody.includes(status)) message.resume();
  return new Response(withoutBody.includes(status) ? null : ReadableStream.from(chunks()), {
    status,
    headers,
  });
}
