import { isRegistryHost } from '../../jobs/fields/image-name.ts';
import type { AddressAllowance } from '../domain/addresses.ts';
import { registryUnreachable } from '../engine/failures.ts';
import { reachableAddresses } from '../host/reachable-addresses.ts';

/**
 * Refuses an image whose registry has an address that is not public, unless it is allowed: the
 * engine connects from the host's own network. A registry allowed by name is not resolved here; the
 * engine may reach it through a proxy.
 */
export async function assertRegistryAllowed(reference: string, allowance: AddressAllowance): Promise<void> {
  const name = registryOf(reference);
  if (name === null || allowance.allowsName(name)) return;
  const unresolved = (cause: unknown) => registryUnreachable(reference, cause);
  await reachableAddresses(name, allowance, '--registry-allow', unresolved);
}

/** The registry host in a reference; null for Docker Hub. Engines parse references the same way. */
export function registryOf(reference: string): string | null {
  const [first = '', rest] = reference.split('/', 2);
  const isHost = rest !== undefined && isRegistryHost(first);
  return isHost ? first.replace(/:\d+$/, '').toLowerCase() : null;
}
