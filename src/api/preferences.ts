import type { Request } from 'express';
import { Failure } from '../jobs/errors.ts';

/** Seconds a client may have us wait. */
const longestWait = 60;

/** `Prefer: wait=N` in seconds (RFC 7240), or null. Other preferences are ignored, as the RFC wants it. */
export function preferredWait(req: Request): number | null {
  const header = req.headers['prefer'];
  if (header === undefined) return null;
  const preference = /(?:^|[,;])\s*wait\s*=\s*"?(\d{1,6})"?\s*(?=$|[,;])/i.exec(
    String(header).slice(0, 1000),
  );
  if (!preference) return null;
  return Math.min(Number(preference[1]), longestWait);
}

/** `If-None-Match: *`, the only precondition there is. */
export function wantsCreateOnly(req: Request): boolean {
  const header = req.headers['if-none-match'];
  if (header === undefined) return false;
  if (header.trim() === '*') return true;
  throw new Failure('invalid_request', 'If-None-Match can only be *');
}
