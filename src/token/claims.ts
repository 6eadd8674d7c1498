/** What a token says: each claim fixes a parameter, what is left out may come from the request. */
export interface Claims {
  u?: string;
  d?: number;
  i?: string;
  t?: string;
  r?: string;
  h?: string;
}

/** The claims of a token, or null when it is not valid, for whatever reason. */
export type VerifyToken = (token: string) => Claims | null;

/** The token that leaves everything open, for trying geard out on loopback. */
export const testToken = '__test__';

/** A verifier that knows only the test token, and that only where it was allowed. */
export function createVerifier(options: { testToken: boolean }): VerifyToken {
  return (token) => (options.testToken && token === testToken ? {} : null);
}
