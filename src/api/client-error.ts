import { type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { type ErrorCode, problemOf } from '../jobs/errors.ts';
import { safeHeaders } from './request/token-path.ts';

interface Refusal {
  code: ErrorCode;
  detail: string;
  /** Default: the one of the code. */
  status?: number;
}

const unreadable: Refusal = { code: 'invalid_request', detail: 'the request cannot be read' };

/** Refusals by the codes of Node.js's errors, with the statuses that it would answer itself. */
const refusals = new Map<unknown, Refusal>([
  ['HPE_HEADER_OVERFLOW', { ...unreadable, status: 431, detail: 'the headers are too large' }],
  ['HPE_CHUNK_EXTENSIONS_OVERFLOW', { code: 'body_too_large', detail: 'the chunk extensions are too large' }],
  ['ERR_HTTP_REQUEST_TIMEOUT', { ...unreadable, status: 408, detail: 'the request did not arrive in time' }],
]);

/**
 * Answers what never becomes a request, because Node.js cannot parse it or it does not arrive in
 * time, with a problem document, and closes the connection. Without this, Node.js answers with an
 * empty body.
 */
export function answerClientErrors(server: Server): void {
  const underWay = new WeakMap<Socket, Set<ServerResponse>>();
  server.on('request', ({ socket }, res) => {
    const responses = underWay.get(socket) ?? new Set();
    underWay.set(socket, responses.add(res));
    res.once('close', () => responses.delete(res));
  });
  server.on('clientError', (error: Error & { code?: unknown }, socket: Socket) => {
    // Text in the middle of an answer would become a part of it; before the answer to a request
    // that has come as a whole, it would be taken for that answer.
    const isAnswering = [...(underWay.get(socket) ?? [])].some((res) => res.headersSent || res.req.complete);
    if (isAnswering || !socket.writable || error.code === 'ECONNRESET') {
      socket.destroy();
      return;
    }
    socket.write(textOf(refusals.get(error.code) ?? unreadable));
    socket.destroySoon();
  });
}

/** The whole response, as it goes over the wire. */
function textOf({ code, detail, status }: Refusal): string {
  const problem = problemOf(code, detail);
  const answered = status ?? problem.status;
  const body = `${JSON.stringify({ ...problem, status: answered })}\n`;
  const headers = [
    ...safeHeaders,
    ['Content-Type', 'application/problem+json; charset=utf-8'],
    ['Content-Length', Buffer.byteLength(body)],
    ['Connection', 'close'],
  ].map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${answered} ${STATUS_CODES[answered]}\r\n${headers.join('')}\r\n${body}`;
}
