import { z } from 'zod';
import { methods } from '../jobs/define.ts';

/** Maximum size of a body, in bytes. */
export const maxBody = 100 * 1024;

/**
 * The parts of a client's request that decide its effect. They travel to the worker unchanged, with
 * the token, so that both sides check the same bytes.
 */
export const originalRequest = z.strictObject({
  method: z.enum(methods),
  /** After the token, without the query. */
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
