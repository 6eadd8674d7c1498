import type { IncomingMessage } from 'node:http';
import type { Origin } from '../../jobs/change.ts';

const requestId = /^[A-Za-z0-9._:+/=-]{1,64}$/;
/**
 * Version, trace, parent and flags (W3C Trace Context, 3.2); a trace or parent of zeros is invalid,
 * and so is version ff.
 */
const traceparent = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:$|-)/;

/** Where a request comes from, as far as logs tell it. */
export function originOf({ headers, socket }: IncomingMessage): Origin {
  const named = String(headers['x-request-id'] ?? '');
  const traced = traceparent.exec(String(headers['traceparent'] ?? ''))?.[1];
  const trace = requestId.test(named) ? named : traced;
  return { ...(trace !== undefined && { trace }), peer: socket.remoteAddress ?? '' };
}
