import { z } from 'zod';

export const methods = ['GET', 'PUT', 'PATCH', 'DELETE'] as const;

/** Bytes of the largest body we read. */
export const maxBody = 100 * 1024;

/**
 * A request as the client sent it, as far as it decides what is done. It travels to the worker as
 * it is, with its token, so that both look at the same bytes.
 */
export const originalRequest = z.strictObject({
  method: z.enum(methods),
  /** Behind the token, without the query. */
  path: z.string().max(4_096),
  /** Without the question mark. */
  query: z.string().max(8_192),
  /** Idempotency-Key. */
  key: z.string().max(256).optional(),
  /** If-None-Match. */
  ifNoneMatch: z.string().max(8_192).optional(),
  body: z.string().max(maxBody),
});
export type OriginalRequest = z.infer<typeof originalRequest>;
