import { type Agent, request } from 'node:http';
import { assertDocumented, type Told } from './documented.ts';

// Requests that a test sends by itself and not by a client. Each throws where the answer is not as
// the OpenAPI document has it; curl.ts does the same for curl.

/** An answer that has been read. */
export interface Answered extends Told {
  body: Buffer;
}

const targetOf = (url: string | URL) => {
  const { pathname, search } = new URL(url);
  return pathname + search;
};

/** Reads all of an answer. */
export const whole = async (response: Response): Promise<Answered> => ({
  status: response.status,
  headers: response.headers,
  body: Buffer.from(await response.arrayBuffer()),
});

/** Fetches all of an answer. */
export async function ask(url: string | URL, init: RequestInit = {}): Promise<Answered> {
  const answered = await whole(await fetch(url, init));
  assertDocumented(init.method ?? 'GET', targetOf(url), answered);
  return answered;
}

/** Fetches an answer of which a test reads as much as it likes: its head is compared alone. */
export async function askForStream(url: string, init: RequestInit = {}): Promise<Response> {
  const response = await fetch(url, init);
  const { status, headers } = response;
  assertDocumented(init.method ?? 'GET', targetOf(url), { status, headers, body: null });
  return response;
}

/** A request as it goes over the wire. */
export interface Written {
  method?: string;
  target: string;
  headers?: Record<string, string> | undefined;
  body?: string | Buffer | undefined;
  agent?: Agent;
}

/** Milliseconds after which a stream is left that should not have begun. */
const patience = 5_000;

/** Sends a request as it is written, which fetch would put right. Null: the connection was broken. */
export async function askAsWritten(api: string, written: Written): Promise<Answered | null> {
  const answered = await send(api, written);
  if (answered) assertDocumented(written.method ?? 'GET', written.target, answered);
  return answered;
}

function send(api: string, { target: path, body, ...rest }: Written): Promise<Answered | null> {
  const { hostname, port } = new URL(api);
  return new Promise((resolve) => {
    const req = request({ hostname, port, path, ...rest }, (res) => {
      const chunks: Buffer[] = [];
      const enough = setTimeout(() => res.destroy(), patience);
      res.on('data', (chunk: Buffer) => chunks.push(chunk));
      res.on('error', () => undefined); // It is closed next.
      res.once('close', () => {
        clearTimeout(enough);
        const headers = new Headers(
          Object.entries(res.headers).map(([name, value]) => [name, String(value)]),
        );
        const { statusCode: status = 0, complete } = res;
        resolve({ status, headers, body: Buffer.concat(chunks), isPart: !complete });
      });
    });
    req.on('error', () => resolve(null));
    req.end(body);
  });
}
