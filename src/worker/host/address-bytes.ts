import { endianness } from 'node:os';

/**
 * The bytes of an address in a table below /proc/net, the first one first. The kernel prints each
 * word of four bytes as a number of this machine.
 */
export function addressBytes(hex: string, order: 'LE' | 'BE' = endianness()): Buffer {
  const bytes = Buffer.from(hex, 'hex');
  return order === 'LE' && bytes.length % 4 === 0 ? bytes.swap32() : bytes;
}
