import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { Failure } from '../../jobs/errors.ts';
import { type CloneAllowance, isLoopback, isPublic } from '../domain/clone-target.ts';

/** Milliseconds a name may take to be resolved. */
const lookupDeadline = 10_000;

/** Where a clone comes from, resolved once: git is given these addresses and no way to find others. */
export interface CloneSource {
  url: string;
  scheme: string;
  /** For /etc/hosts of the container: name and address each. */
  hosts: [name: string, address: string][];
  /** It is this machine itself, which --clone-allow names. */
  loopback: boolean;
}

/**
 * Resolves the host of a clone URL and refuses addresses that are not public, unless they are allowed. Throws
 * `invalid_request` or `clone_failed`.
 */
export async function resolveSource(url: string, allowance: CloneAllowance): Promise<CloneSource> {
  const [, scheme = '', host = ''] = /^([a-z]+):\/\/(\[[^\]]+\]|[^/:]+)/.exec(url) ?? [];
  const name = host.replace(/^\[|\]$/g, '');
  const addresses = isIP(name) === 0 ? await resolve(name) : [name];
  const allowed = allowance.allowsName(name);
  for (const address of addresses) {
    if (allowed || isPublic(address) || allowance.allowsAddress(address)) continue;
    throw new Failure(
      'invalid_request',
      `${name} is a private address; --clone-allow of the worker names those that may be cloned from`,
    );
  }
  return {
    url,
    scheme,
    hosts: isIP(name) === 0 ? addresses.map((address) => [name, address]) : [],
    loopback: addresses.some(isLoopback),
  };
}

/** IPv4 first: a container has no IPv6 where Docker was not given any. */
async function resolve(name: string): Promise<string[]> {
  const timeout = new Promise<never>((_, reject) =>
    setTimeout(() => reject(new Error('no answer in time')), lookupDeadline).unref(),
  );
  try {
    const found = await Promise.race([lookup(name, { all: true, order: 'ipv4first' }), timeout]);
    if (found.length > 0) return found.map(({ address }) => address);
    throw new Error('it has no address');
  } catch (error) {
    throw new Failure('clone_failed', `the host ${name} cannot be resolved`, { cause: error });
  }
}
