import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { Failure } from '../../jobs/errors.ts';
import { type AddressAllowance, isPublic } from '../domain/addresses.ts';

/** Timeout for resolving a name, in milliseconds. */
const lookupDeadline = 10_000;

/**
 * Resolves a host that a caller named. Throws `invalid_request` when one of its addresses is not
 * public and `option` does not allow it, and the failure from `unresolved` when the name has no
 * address.
 */
export async function reachableAddresses(
  name: string,
  allowance: AddressAllowance,
  option: string,
  unresolved: (cause: unknown) => Failure,
): Promise<string[]> {
  const resolved = () => resolve(name).catch((error: unknown) => Promise.reject(unresolved(error)));
  const addresses = isIP(name) === 0 ? await resolved() : [name];
  if (allowance.allowsName(name)) return addresses;
  if (addresses.every((address) => isPublic(address) || allowance.allowsAddress(address))) return addresses;
  throw new Failure(
    'invalid_request',
    `${name} is a private address; to allow it, add it to the worker's ${option}`,
  );
}

/** IPv4 first: a container has no IPv6 unless Docker was given any. */
async function resolve(name: string): Promise<string[]> {
  const timeout = new Promise<never>((_, reject) =>
    setTimeout(() => reject(new Error('no answer in time')), lookupDeadline).unref(),
  );
  const found = await Promise.race([lookup(name, { all: true, order: 'ipv4first' }), timeout]);
  if (found.length === 0) throw new Error('it has no address');
  return found.map(({ address }) => address);
}
