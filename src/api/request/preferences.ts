import type { Request } from 'express';
import type { z } from 'zod';
import { checked } from '../../jobs/checked.ts';
import { maxWait } from '../../jobs/parameters.ts';
import { type LogFormat, logFormats } from '../../jobs/rpc/streams.ts';

/**
 * Returns N of `Prefer: wait=N` (RFC 7240), at most `maxWait`, or null. Ignores other preferences,
 * as the RFC requires.
 */
export function preferredWait(req: Request): number | null {
  const header = String(req.headers['prefer'] ?? '').slice(0, 1000);
  const [, seconds] = /(?:^|[,;])\s*wait\s*=\s*"?(\d{1,6})"?\s*(?=$|[,;])/i.exec(header) ?? [];
  return seconds === undefined ? null : Math.min(Number(seconds), maxWait);
}

/** Returns the format of a log: plain lines, unless the client asks for another format of ours. */
export function logFormat(req: Request): LogFormat {
  const accepted = req.accepts([...logFormats]);
  return logFormats.find((format) => format === accepted) ?? 'text/plain';
}

/**
 * Returns `Last-Event-ID`, which a client sends to resume a broken stream (HTML, 9.2.4), or null.
 * Throws `invalid_request` when it is not an id of such a stream.
 */
export function lastEventId(req: Request, id: z.ZodType<string>): string | null {
  const header = req.headers['last-event-id'];
  return header ? checked(id, String(header)) : null;
}

/** Returns the entity tags of If-None-Match, weak or strong (RFC 9110, 13.1.2). */
export function knownEntities(req: Request): string[] {
  const header = (req.headers['if-none-match'] ?? '').slice(0, 4_000).trim();
  if (header === '*') return ['*'];
  return [...header.matchAll(/(?:W\/)?"([^"]{1,190})"/g)].slice(0, 32).map(([, tag]) => tag as string);
}
