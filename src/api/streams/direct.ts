import { type IncomingMessage, request } from 'node:http';
import { failureOf, toldFailure } from '../../jobs/errors.ts';
import { directPath, headHeader } from '../../jobs/rpc/direct.ts';
import { type OpenStream, parseHead } from '../../jobs/rpc/streams.ts';
import { parseJson } from '../../lib/parse-json.ts';
import type { WantedStream } from '../../queue/api-queue.ts';

/** Timeouts for the connection to a worker and for the head of its response, in milliseconds. */
const connectDeadline = 1_000;
const headDeadline = 15_000;
/** Maximum number of bytes read from a refusal. */
const maxRefusal = 16 * 1024;

/** The worker cannot be reached at its announced address; the caller may try another transport. */
export class Unreachable extends Error {
  constructor(address: string, cause: unknown) {
    super(`no worker answers at ${address}`, { cause });
    this.name = 'Unreachable';
  }
}

/**
 * Fetches a stream from a worker's own port; see jobs/rpc/direct.ts. Throws the worker's error or
 * `Unreachable`, both before the first byte. `deadline`: milliseconds to the head of the stream.
 */
export async function openDirect(
  address: string,
  { name, sealed, how }: WantedStream,
  signal: AbortSignal,
  deadline = headDeadline,
): Promise<OpenStream> {
  const response = await send(address, JSON.stringify({ sealed, how }), signal, deadline);
  const head = response.headers[headHeader];
  if (response.statusCode !== 200 || typeof head !== 'string') throw await refusal(address, response);
  response.socket.setTimeout(0); // A log may be idle for as long as it is followed.
  const said = parseJson(Buffer.from(head, 'base64url').toString('utf8'));
  return { head: parseHead(name, said), body: response };
}

function send(
  address: string,
  body: string,
  signal: AbortSignal,
  deadline: number,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = { 'Content-Length': Buffer.byteLength(body) };
    const options = { method: 'POST', agent: false, signal, headers, timeout: connectDeadline };
    const req = request(`http://${address}${directPath}`, options);
    req.once('socket', (socket) =>
      socket.once('connect', () => {
        socket.setTimeout(deadline);
        socket.setKeepAlive(true, 5_000);
      }),
    );
    req.on('timeout', () => req.destroy(new Error('no answer in time')));
    req.on('error', (error) => reject(signal.aborted ? signal.reason : new Unreachable(address, error)));
    req.once('response', resolve);
    req.end(body);
  });
}

/** Returns a refusal's error. Any other answer means that another program has the port. */
async function refusal(address: string, response: IncomingMessage): Promise<Error> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of response) {
      size += (chunk as Buffer).length;
      if (size > maxRefusal) break;
      chunks.push(chunk as Buffer);
    }
    return failureOf(toldFailure.parse(JSON.parse(Buffer.concat(chunks).toString('utf8'))));
  } catch (error) {
    return new Unreachable(address, error);
  }
}
