import { isIPv4 } from 'node:net';

/** IPv4 addresses as numbers, the first and the last of a network. */
export interface AddressRange {
  first: number;
  last: number;
}

/**
 * Prefix length of a gear network: 61 gears besides the addresses of the network, the host and
 * broadcast.
 */
const prefix = 26;
const size = 2 ** (32 - prefix);

/** The addresses of a network such as 10.0.0.0/8; null for any other text. */
export function parseNetwork(text: string): AddressRange | null {
  const [address = '', bits = '', ...rest] = text.split('/');
  if (!isIPv4(address) || !/^\d{1,2}$/.test(bits) || Number(bits) > 32 || rest.length > 0) return null;
  const length = 2 ** (32 - Number(bits));
  const number = address.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0);
  const first = number - (number % length);
  return { first, last: first + length - 1 };
}

/** The pool for gear networks; null when not even one fits. */
export function parsePool(text: string): AddressRange | null {
  const pool = parseNetwork(text);
  return pool !== null && pool.last - pool.first + 1 >= size ? pool : null;
}

/** The first network of a pool that overlaps no taken one; null when there is none. */
export function freeNetwork(pool: AddressRange, taken: readonly AddressRange[]): string | null {
  for (let first = pool.first; first + size - 1 <= pool.last; ) {
    const clash = taken.find((other) => other.first <= first + size - 1 && first <= other.last);
    if (!clash) return `${[24, 16, 8, 0].map((bits) => (first >>> bits) & 255).join('.')}/${prefix}`;
    first = (Math.floor(clash.last / size) + 1) * size;
  }
  return null;
}

/** The unit that keeps the rules that isolate gears; contrib/install.sh installs it. */
export const networkRules = 'geard-network.service';
