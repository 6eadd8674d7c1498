import { isIP } from 'node:net';
import { Failure } from '../../jobs/errors.ts';
import { type AddressAllowance, isLoopback } from '../domain/addresses.ts';
import { reachableAddresses } from '../host/reachable-addresses.ts';

/** The source of a clone, resolved once: git gets these addresses and cannot find others. */
export interface CloneSource {
  url: string;
  scheme: string;
  /** Entries for /etc/hosts of the container: name and address each. */
  hosts: [name: string, address: string][];
  /** Whether it is this machine itself, which --clone-allow names. */
  loopback: boolean;
}

/**
 * Resolves the host of a clone URL. Refuses addresses that are not public, unless they are allowed.
 * Throws `invalid_request` or `clone_failed`.
 */
export async function resolveSource(url: string, allowance: AddressAllowance): Promise<CloneSource> {
  const [, scheme = '', host = ''] = /^([a-z]+):\/\/(\[[^\]]+\]|[^/:]+)/.exec(url) ?? [];
  const name = host.replace(/^\[|\]$/g, '');
  const unresolved = (cause: unknown) =>
    new Failure('clone_failed', `the host ${name} cannot be resolved`, { cause });
  const addresses = await reachableAddresses(name, allowance, '--clone-allow', unresolved);
  return {
    url,
    scheme,
    hosts: isIP(name) === 0 ? addresses.map((address) => [name, address]) : [],
    loopback: addresses.some(isLoopback),
  };
}
