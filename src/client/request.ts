import { operations } from './operations.ts';
import type { PreparedRequest } from './send.ts';
import type { CallOptions, OperationName } from './types.ts';

export interface ClientOptions {
  /** The URL of the api, such as http://127.0.0.1:2223. */
  api: string;
  /** The token. It is sent in a header, which no proxy writes into its log. */
  token: string;
  /** The user of changes, if neither the token nor the call names one. */
  user?: string | undefined;
  /**
   * Maximum number of retries when the answer is lost or reports a temporary failure. Default: 5.
   */
  retries?: number;
  /** Called before each retry with its reason and the pause in milliseconds. */
  onRetry?: (error: Error, pause: number) => void;
  /** Sends a request. Default: the global fetch. */
  fetch?: typeof fetch;
}

/** The untyped input of a call: parameters of the path and of the query, and the body. */
export type Asked = Record<string, unknown>;

export function requestOf(
  { api, token, user, retries = 5, onRetry, fetch = globalThis.fetch }: ClientOptions,
  name: OperationName,
  { body, ...given }: Asked,
  { signal, headers, onRetry: ofCall }: CallOptions,
): PreparedRequest {
  const { method, path, answer, ...fixed } = operations[name];
  const parameters = { ...(answer === 'job' && { u: user }), ...given, ...fixed };
  return {
    url: api.replace(/\/$/, '') + targetOf(path, parameters),
    method,
    headers: { Authorization: `Bearer ${token}`, ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    retries,
    onRetry(error, pause) {
      onRetry?.(error, pause);
      ofCall?.(error, pause);
    },
    fetch,
    signal,
  };
}

/** Expands the URI template of a path and adds all other parameters as the query. */
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
