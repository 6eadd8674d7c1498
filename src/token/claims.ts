import { z } from 'zod';
import { hostName, resourceName, userName } from '../jobs/fields/identifier.ts';
import { text } from '../jobs/fields/schema.ts';

/** `r` of a token: a name, or the beginning of names and a star, such as `team-*`. */
const resourcePattern = z
  .string()
  .max(64)
  .refine(
    (r) => resourceName.safeParse(r.replace(/\*$/, '')).success,
    'r must be a name or a beginning and *',
  );

export const fleetName = text(
  'aud',
  64,
  /^[A-Za-z0-9][A-Za-z0-9_.-]*$/,
  'be the name of a fleet: letters, digits, _, . and -',
);

const seconds = z.int().min(0).max(1e12);

/** What a token says. A claim we do not know could be a limit, so there may be none. */
export const tokenClaims = z.strictObject({
  /** The fleet it is for. */
  aud: fleetName,
  /** Expiry, seconds since the epoch. */
  d: seconds,
  u: userName.optional(),
  i: text('i', 32, /^[0-9a-fA-F]{1,32}$/, 'be 1 to 32 hex digits').optional(),
  t: z.string().max(2048).optional(),
  r: resourcePattern.optional(),
  h: hostName.optional(),
  /** Allowed actions: `container.install`, `container.*`, `*.read`; left out: all. */
  a: z
    .array(text('a', 64, /^(?:\*|[a-z]+)\.(?:\*|[a-z]+)$/, 'be actions such as container.install'))
    .min(1)
    .max(32)
    .optional(),
  /** Base64url of the SHA-256 of the body of what changes something. */
  b: text('b', 43, /^[A-Za-z0-9_-]{43}$/, 'be the base64url of a SHA-256').optional(),
  /**
   * When it was made (RFC 7519, 4.1.6), seconds since the epoch; how long it is valid counts from
   * then.
   */
  iat: seconds,
});
export type TokenClaims = z.infer<typeof tokenClaims>;

/** What bounds a request: the claims of its token, all of which the test token leaves open. */
export type Claims = Partial<TokenClaims>;

/** The token that leaves everything open, for trying geard out on loopback. */
export const testToken = '__test__';
