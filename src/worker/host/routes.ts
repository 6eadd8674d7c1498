import { readFile } from 'node:fs/promises';
import type { AddressRange } from '../domain/networks.ts';

/** The IPv4 networks that the host has a route to, except the default route. */
export async function routedNetworks(): Promise<AddressRange[]> {
  return parseRoutes(await readFile('/proc/net/route', 'utf8'));
}

/**
 * Parses networks from the text of /proc/net/route, which has addresses and masks in host byte
 * order.
 */
export function parseRoutes(text: string): AddressRange[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [, address, , , , , , mask] = line.split('\t');
      if (!address || !mask || mask === '00000000') return [];
      const first = numberOf(address);
      return [{ first, last: first + (2 ** 32 - 1 - numberOf(mask)) }];
    });
}

const numberOf = (hex: string) => Buffer.from(hex, 'hex').readUInt32LE();
