import { Failure } from '../jobs/errors.ts';
import type { Claims } from './claims.ts';

const fixable = ['u', 'd', 'i', 't', 'r', 'h'] as const;
type Parameters = { [name in (typeof fixable)[number]]?: string | undefined };

/**
 * The parameters of a request under a token: a claim fixes its parameter, what the token leaves open comes from
 * the request. Throws `token_forbids` where the request contradicts the token.
 */
export function authorize<P extends Parameters>(claims: Claims, given: P): P {
  const fixed: Parameters = {};
  for (const name of fixable) {
    const claim = claims[name];
    if (claim === undefined) continue;
    if (given[name] !== undefined && given[name] !== String(claim)) {
      throw new Failure('token_forbids', `the token fixes ${name} to another value`);
    }
    fixed[name] = String(claim);
  }
  return { ...given, ...fixed };
}
