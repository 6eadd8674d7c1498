import { BlockList, isIP, isIPv4 } from 'node:net';

/** A list of addresses, and of networks in CIDR notation. */
function blockList(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const text of networks) {
    const [address = '', prefix] = text.split('/');
    const [family, bits] = isIPv4(address) ? (['ipv4', 32] as const) : (['ipv6', 128] as const);
    list.addSubnet(address, Number(prefix ?? bits), family);
  }
  return list;
}

/**
 * Addresses that belong to no host on the Internet (IANA's special-purpose registries, RFC 6890):
 * cloning or pulling from them would let a caller reach systems that only this host can reach.
 */
const special = blockList([
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/3',
  // Of IPv6 only 2000::/3 is the Internet; in it, Teredo, documentation (RFC 3849, RFC 9637) and
  // 6to4 are not.
  '2001::/23',
  '2001:db8::/32',
  '2002::/16',
  '3fff::/20',
]);
const internet6 = blockList(['2000::/3']);

/** Private hosts and networks that --clone-allow or --registry-allow permits. */
export interface AddressAllowance {
  allowsName(host: string): boolean;
  allowsAddress(address: string): boolean;
}

/** Parses addresses, networks and names; the option has already checked their form. */
export function parseAllowance(parts: readonly string[]): AddressAllowance {
  const isName = (part: string) => isIP(part.replace(/\/.*/, '')) === 0;
  const names = new Set(parts.filter(isName));
  const addresses = blockList(parts.filter((part) => !isName(part)));
  return {
    allowsName: (host) => names.has(host.replace(/\.$/, '')),
    allowsAddress: (address) => contains(addresses, unmapped(address)),
  };
}

/** Whether an address is public on the Internet. */
export function isPublic(address: string): boolean {
  const plain = unmapped(address);
  return isIPv4(plain) ? !contains(special, plain) : contains(internet6, plain) && !contains(special, plain);
}

export function isLoopback(address: string): boolean {
  const plain = unmapped(address);
  return plain === '::1' || (isIPv4(plain) && plain.startsWith('127.'));
}

function contains(list: BlockList, address: string): boolean {
  return list.check(address, isIPv4(address) ? 'ipv4' : 'ipv6');
}

/** The IPv4 address in an IPv4-mapped IPv6 address (RFC 4291, 2.5.5.2), or the address itself. */
function unmapped(address: string): string {
  if (isIPv4(address)) return address;
  // The URL parser writes every address in its unique shortest form.
  const short = new URL(`http://[${address.replace(/%.*$/, '')}]/`).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(short);
  if (!mapped) return short;
  const [high = 0, low = 0] = mapped.slice(1).map((part) => Number.parseInt(part, 16));
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}
