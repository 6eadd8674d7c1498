import { operations } from './operations.ts';
import type { Sent } from './send.ts';
import type { CallOptions, OperationName } from './types.ts';

export interface ClientOptions {
  /** Where the api is, such as http://127.0.0.1:2223. */
  api: string;
  /** Sent in a header, which no proxy writes into its log. */
  token: string;
  /** The user of changes, where neither the token nor the call names one. */
  user?: string | undefined;
  /**
   * How often a request is sent again if its answer is lost, or says that it may succeed later.
   * Default: 5.
   */
  retries?: number;
  /** Is told why a request is sent again, and after how many milliseconds. */
  onRetry?: (error: Error, pause: number) => void;
  /** What sends a request. Default: the global fetch. */
  fetch?: typeof fetch;
}

/**
 * What a call asks for, without its types: parameters of the path and of the query, and the body.
 */
export type Asked = Record<string, unknown>;

/** A call as it is to be sent. */
export function requestOf(
  { api, token, user, retries = 5, onRetry, fetch = globalThis.fetch }: ClientOptions,
  name: OperationName,
  { body, ...given }: Asked,
  { signal, headers }: CallOptions,
): Sent {
  const { method, path, answer, ...fixed } = operations[name];
  const parameters = { ...(answer === 'job' && { u: user }), ...given, ...fixed };
  return {
    url: api.replace(/\/$/, '') + targetOf(path, parameters),
    method,
    headers: { Authorization: `Bearer ${token}`, ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    retries,
    onRetry,
    fetch,
    signal,
  };
}

/** A path by its URI template, and the query of all parameters that are not in it. */
function targetOf(template: string, parameters: Asked): string {
  const left = new Map(Object.entries(parameters).filter(([, value]) => value !== undefined));
  const path = template.replace(/\{(\/?)(\w+)\*?\}/g, (_, slash: string, name: string) => {
    const value = String(left.get(name));
    return left.delete(name) ? slash + encodeURIComponent(value) : '';
  });
  const query = new URLSearchParams();
  for (const [name, value] of left) query.set(name, String(value));
  return `${path}?${query}`;
}
