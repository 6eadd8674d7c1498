import type { Request, Response } from 'express';
import { Failure } from '../../jobs/errors.ts';
import { pump } from '../../lib/async/pump.ts';
import { brokenStreams, openStreams, streamBytes } from '../metrics.ts';
import { brokenOff } from '../request/request-context.ts';

/** Milliseconds between two checks that the token of an open stream is still valid. */
const validityInterval = 5_000;

/** Rejects clients that would take a truncated body for a complete one (RFC 9112, 6.3 and 8). */
export function assertDetectsCuts(req: Request): void {
  if (req.httpVersionMajor < 1 || req.httpVersion === '1.0') {
    throw new Failure(
      'invalid_request',
      'streams need HTTP/1.1; with HTTP/1.0 a client cannot detect a truncated stream',
    );
  }
}

/**
 * Sends a stream whose outcome is known. Any later failure breaks the connection, so that a part
 * never looks like the whole. That includes a token that expires and an issuer that is revoked.
 */
export async function sendStream(
  req: Request,
  res: Response,
  headers: Record<string, string>,
  body: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  const { log } = res.locals;
  const { isValid, passTurn } = res.locals.caller;
  passTurn();
  // A proxy must pass data on at once.
  res.writeHead(200, { 'X-Accel-Buffering': 'no', ...headers });
  if (req.method === 'HEAD') {
    res.end(); // This aborts the client's signal, and with it closes the source.
    return;
  }
  res.flushHeaders();
  const stream = log.type;
  openStreams.add({ stream });
  const watch = setInterval(async () => {
    if (await isValid()) return;
    log.outcome = brokenOff;
    log.reason = 'the token is no longer valid';
    res.destroy();
  }, validityInterval);
  try {
    await pump(metered(body, stream), res, signal);
    log.outcome = 'streamed';
  } catch (error) {
    const reason = log.reason !== undefined ? 'token' : signal.aborted ? 'client' : 'source';
    brokenStreams.add({ stream, reason });
    if (signal.aborted) return; // The client has left, or the api is stopping.
    log.outcome = brokenOff;
    log.reason = (error as Error).message;
  } finally {
    clearInterval(watch);
    openStreams.add({ stream }, -1);
  }
}

async function* metered(body: AsyncIterable<Uint8Array>, stream: string | undefined) {
  for await (const chunk of body) {
    streamBytes.add({ stream }, chunk.length);
    yield chunk;
  }
}
