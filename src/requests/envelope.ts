import { hash } from 'node:crypto';
import { z } from 'zod';
import { maxToken } from '../token/format.ts';
import type { Purpose, Sealer } from '../token/seal.ts';
import { originalRequest } from './original.ts';

const said = z.string().max(64).optional();

/** What travels, sealed, from an api to a worker: the client's own request with its token. */
const envelope = z.strictObject({
  token: z.string().max(maxToken),
  request: originalRequest,
  /**
   * Milliseconds since the epoch after which it is no longer to be answered; null for a job, which
   * waits its turn.
   */
  until: z.number().nullable(),
  /** Whence it came, for logs; left out for a job, whose record has it. */
  origin: z.object({ trace: said, peer: said }).optional().catch(undefined),
});
export type Envelope = z.infer<typeof envelope>;

/** Milliseconds for which a worker may answer a request; the clocks of hosts differ. */
const answerTime = 60_000;

/** Seals a client's request with its token for one host and one purpose. */
export function sealRequest(
  sealer: Sealer,
  { token, request, origin }: Omit<Envelope, 'until'>,
  purpose: Purpose,
): string {
  const isAnsweredNow = purpose.use === 'answer' || purpose.use === 'copy';
  const until = isAnsweredNow ? Date.now() + answerTime : null;
  const content: Envelope = { token, request, until, ...(purpose.use !== 'job' && { origin }) };
  return sealer.seal(content, token, purpose);
}

/** The request that was sealed for a purpose; null where nothing was sealed for it. */
export const openRequest = (sealer: Sealer, sealed: string, purpose: Purpose): Envelope | null =>
  envelope.safeParse(sealer.open(sealed, purpose)).data ?? null;

/**
 * Seals what a host answers to a sealed request. It opens as the answer to this request only: the
 * answer to somebody else's is not taken for it.
 */
export const sealAnswer = (
  sealer: Sealer,
  answer: unknown,
  { host, sealed, token }: { host: string; sealed: string; token: string },
) => sealer.seal(answer, token, answerTo(host, sealed));

/** What a host has answered to a sealed request; null where it is no answer to it. */
export const openAnswer = (sealer: Sealer, answer: unknown, host: string, sealed: string) =>
  typeof answer === 'string' ? sealer.open(answer, answerTo(host, sealed)) : null;

const answerTo = (host: string, sealed: string): Purpose => ({
  use: 'answered',
  host,
  request: hash('sha256', sealed, 'base64url'),
});
