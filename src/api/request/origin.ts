import type { IncomingMessage } from 'node:http';
import type { Origin } from '../../jobs/change.ts';
import { readTraceparent } from '../../lib/tracing.ts';

const requestId = /^[A-Za-z0-9._:+/=-]{1,64}$/;

/** Returns the trace and the peer's address of a request, for logs. */
export function originOf({ headers, socket }: IncomingMessage): Origin {
  const named = String(headers['x-request-id'] ?? '');
  const trace = requestId.test(named)
    ? named
    : readTraceparent(String(headers['traceparent'] ?? ''))?.traceId;
  return { ...(trace !== undefined && { trace }), peer: socket.remoteAddress ?? '' };
}
