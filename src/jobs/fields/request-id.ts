import { hash } from 'node:crypto';
import { z } from 'zod';
import { Failure } from '../errors.ts';

/**
 * A request id: 16 bytes as 32 lower-case hex digits. It is also the id of the job the request
 * becomes.
 */
export type RequestId = string;

/** The canonical form, in answers and in Redis. */
export const requestId = z.string().regex(/^[0-9a-f]{32}$/);

const written = /^[0-9a-fA-F]{1,32}$/;

/** Parses a request id that a client wrote as 1 to 32 hex digits. Throws `invalid_request`. */
export function parseRequestId(text: string): RequestId {
  if (!written.test(text))
    throw new Failure('invalid_request', 'a request id must be 1 to 32 hex digits, such as 2a');
  return text.toLowerCase().padStart(32, '0');
}

/**
 * The request id of an Idempotency-Key: the first 16 bytes of its SHA-256. Throws
 * `invalid_request`.
 */
export function requestIdOfKey(key: string): RequestId {
  if (key.length > 255 || !/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(key)) {
    throw new Failure('invalid_request', 'Idempotency-Key must be 1 to 255 printable characters');
  }
  return hash('sha256', key).slice(0, 32);
}
