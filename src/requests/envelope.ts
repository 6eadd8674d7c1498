import { hash } from 'node:crypto';
import { z } from 'zod';
import { maxToken } from '../token/format.ts';
import type { Purpose, Sealer } from '../token/seal.ts';
import { originalRequest } from './original.ts';

const said = z.string().max(64).optional();

/** The sealed message from an api to a worker: the client's own request with its token. */
const envelope = z.strictObject({
  token: z.string().max(maxToken),
  request: originalRequest,
  /**
   * Milliseconds since the epoch until which a worker may answer; null for a job, which waits its
   * turn, and for its cancellation.
   */
  until: z.number().nullable(),
  /** Where it came from, for logs; left out for a job, whose record has it. */
  origin: z.object({ trace: said, peer: said }).optional().catch(undefined),
});
export type Envelope = z.infer<typeof envelope>;

/** Milliseconds a worker has to answer a request; allows for differing clocks of hosts. */
const answerTime = 60_000;

/** Seals a client's request with its token for one host and one purpose. */
export function sealRequest(sealer: Sealer, sent: Omit<Envelope, 'until'>, purpose: Purpose): string {
  const { token, request, origin } = sent;
  const isAnsweredNow = purpose.use === 'answer' || purpose.use === 'copy';
  const until = isAnsweredNow ? Date.now() + answerTime : null;
  const content: Envelope = { token, request, until, ...(purpose.use !== 'job' && { origin }) };
  return sealer.seal(content, token, purpose);
}

/** Opens a request sealed for a purpose; null when it was not sealed for it. */
export const openRequest = (sealer: Sealer, sealed: string, purpose: Purpose): Envelope | null =>
  envelope.safeParse(sealer.open(sealed, purpose)).data ?? null;

/**
 * Seals a host's answer to a sealed request. It opens only as the answer to this request, so that
 * an answer to another one cannot pass for it.
 */
export const sealAnswer = (
  sealer: Sealer,
  answer: unknown,
  { host, sealed, token }: { host: string; sealed: string; token: string },
) => sealer.seal(answer, token, answerTo(host, sealed));

/** Opens a host's answer to a sealed request; null when it is no answer to it. */
export const openAnswer = (sealer: Sealer, answer: unknown, host: string, sealed: string) =>
  typeof answer === 'string' ? sealer.open(answer, answerTo(host, sealed)) : null;

const answerTo = (host: string, sealed: string): Purpose => ({
  use: 'answered',
  host,
  request: hash('sha256', sealed, 'base64url'),
});
