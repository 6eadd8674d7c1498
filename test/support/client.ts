import type { Problem } from '../../src/jobs/errors.ts';
import type { Job } from '../../src/jobs/job.ts';
import { ask } from './ask.ts';

export interface Answer<T = unknown> {
  status: number;
  headers: Headers;
  body: T;
}

export interface Send {
  body?: unknown;
  /** Sent as it is. */
  raw?: string | Uint8Array;
  headers?: Record<string, string>;
}

/** Sends requests to an api, and throws where an answer is not as the OpenAPI document has it. */
export interface Client {
  /** With the token in it. */
  url: string;
  send<T = Problem & Job>(
    method: string,
    path: string,
    parameters?: Record<string, string>,
    more?: Send,
  ): Promise<Answer<T>>;
  /** Sends a change under a new request id and waits for its job. */
  change(
    method: string,
    path: string,
    parameters: Record<string, string>,
    body?: unknown,
  ): Promise<Answer<Problem & Job>>;
}

let nextId = 1;
export const newId = () => (Date.now() * 1000 + nextId++).toString(16);

export function createClient(url: string): Client {
  const client: Client = {
    url,
    async send(method, path, parameters = {}, { body, raw, headers } = {}) {
      const query = new URLSearchParams(parameters).toString();
      const init: RequestInit = { method, headers: { ...headers } };
      const payload = raw ?? (body === undefined ? undefined : JSON.stringify(body));
      if (payload !== undefined) init.body = payload as string;
      const answered = await ask(`${url}/${path}${query ? `?${query}` : ''}`, init);
      return { ...answered, body: parse(String(answered.body)) as never };
    },
    change: (method, path, parameters, body) =>
      client.send(
        method,
        path,
        { u: '0', i: newId(), ...parameters },
        { body, headers: { Prefer: 'wait=60' } },
      ),
  };
  return client;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
