import { z } from 'zod';
import { maxToken } from '../token/format.ts';
import { originalRequest } from './original.ts';

/** What travels, sealed, from an api to a worker: the client's own request with its token. */
export const envelope = z.strictObject({
  token: z.string().max(maxToken),
  request: originalRequest,
  /** Milliseconds since the epoch after which it is no longer to be answered; null for a job, which waits its turn. */
  until: z.number().nullable(),
});
export type Envelope = z.infer<typeof envelope>;
