import { z } from 'zod';
import { hostName, resourceName, userName } from '../jobs/fields/identifier.ts';
import { text } from '../jobs/fields/schema.ts';

/** `r` of a token: a name, or a prefix and a star, such as `team-*`. */
const resourcePattern = z
  .string()
  .max(64)
  .refine(
    (r) => resourceName.safeParse(r.replace(/\*$/, '')).success,
    'r must be a name, or a prefix and a *',
  );

export const fleetName = text(
  'aud',
  64,
  /^[A-Za-z0-9][A-Za-z0-9_.-]*$/,
  'be the name of a fleet: letters, digits, _, . and -',
);

const seconds = z.int().min(0).max(1e12);

/** The claims of a token. An unknown claim could be a limit, so it is not allowed. */
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
  /** Base64url of the SHA-256 of the body, for a request that changes something. */
  b: text('b', 43, /^[A-Za-z0-9_-]{43}$/, 'be the base64url of a SHA-256').optional(),
  /** Issue time (RFC 7519, 4.1.6), seconds since the epoch; the lifetime counts from it. */
  iat: seconds,
});
export type TokenClaims = z.infer<typeof tokenClaims>;

/** The claims that limit a request: those of its token; the test token leaves all of them open. */
export type Claims = Partial<TokenClaims>;

/** The token that leaves everything open, for trying geard out on loopback. */
export const testToken = '__test__';
