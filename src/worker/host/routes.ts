import { readFile } from 'node:fs/promises';
import type { AddressRange } from '../domain/networks.ts';
import { addressBytes } from './address-bytes.ts';

/** The IPv4 networks that the host has a route to, except the default route. */
export async function routedNetworks(): Promise<AddressRange[]> {
  return parseRoutes(await readFile('/proc/net/route', 'utf8'));
}

/** Parses networks from the text of /proc/net/route. `order`: the byte order of the machine. */
export function parseRoutes(text: string, order?: 'LE' | 'BE'): AddressRange[] {
  const numberOf = (hex: string) => addressBytes(hex, order).readUInt32BE();
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
