import { z } from 'zod';
import { hostName } from '../../jobs/fields/identifier.ts';
import { parseJson } from '../../lib/parse-json.ts';
import { optionTable } from '../options/options.ts';

/** Maximum length of a file in an invitation, in characters. */
export const maxFileLength = 65_536;
const pem = z.string().max(maxFileLength);

/**
 * Everything that a host needs to join a fleet: the address of Redis, its user there, and the keys
 * to verify with. A later version may add fields.
 */
const invitation = z.object({
  v: z.literal(1),
  host: hostName,
  fleet: optionTable.fleet.schema,
  redis: optionTable.redis.schema,
  user: optionTable.redisUser.schema,
  password: z.string().regex(/^[\x21-\x7e]{16,512}$/),
  ca: pem.optional(),
  /** Whether the worker accepts a Redis beyond loopback without TLS. */
  insecureRedis: z.literal(true).optional(),
  /** The contents of the key files, by name. */
  keys: z.record(
    z
      .string()
      .max(80)
      .regex(/^[A-Za-z0-9_-]{1,64}\.(?:issuer\.pub|daemon\.key)$/),
    z.string().max(maxFileLength),
  ),
});
export type Invitation = z.infer<typeof invitation>;

/** Encodes an invitation as short lines, which survive terminals and clipboards. */
export function writeInvitation(content: Invitation): string {
  const text = Buffer.from(JSON.stringify(content)).toString('base64');
  return (text.match(/.{1,76}/g) ?? []).map((line) => `${line}\n`).join('');
}

/** Decodes an invitation; returns null if the text is not one. */
export function readInvitation(text: string): Invitation | null {
  const json = parseJson(Buffer.from(text.replace(/\s/g, ''), 'base64').toString('utf8'));
  return invitation.safeParse(json).data ?? null;
}
