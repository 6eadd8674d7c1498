import { isIPv4 } from 'node:net';

const schemes = ['https:', 'http:', 'git:'];

/**
 * Returns a URL for git (scheme, host and path) in the one form that git and we read alike, or its
 * fault. A host written as an integer, in octal or in hexadecimal becomes the address it means
 * (WHATWG URL, "host parsing").
 */
export function canonicalCloneUrl(text: string): string | { wrong: string } {
  if (!/^[\x21-\x7e]+$/.test(text)) return { wrong: 't must be a URL without spaces and control characters' };
  const scheme = /^([a-z]+:)\/\/[^/]/i.exec(text)?.[1]?.toLowerCase();
  if (!scheme || !schemes.includes(scheme))
    return {
      wrong: 't must be an https://, http://, git:// or gear:// URL, or left out for an empty repository',
    };
  const rest = text.slice(scheme.length);
  // The parser normalises hosts only for the schemes of the Web.
  if (!URL.canParse(`http:${rest}`)) return { wrong: 't is not a valid URL' };
  const parsed = new URL(`http:${rest}`);
  if (parsed.username || parsed.password || /^\/\/[^/]*@/.test(rest))
    return { wrong: 't must not contain a user name or a password' };
  // The Web's parser drops a mark with nothing behind it, and reads a backslash as a slash.
  if (/[?#]/.test(text)) return { wrong: 't must not contain a query or a fragment' };
  if (!isHost(parsed.hostname)) return { wrong: 'the host in t is neither a name nor an address' };
  if (text.includes('\\') || /%(?![0-9a-f]{2})|%(?:00|0[ad])/i.test(parsed.pathname))
    return { wrong: 'the path in t is not valid' };
  const port = portOf(rest, parsed);
  return `${scheme}//${parsed.hostname}${port}${parsed.pathname}`;
}

/** The Web's own parser drops port 80, which is not the default of every scheme. */
function portOf(rest: string, { port }: URL): string {
  if (port) return `:${port}`;
  return /^\/\/[^/]*:0*80(?:\/|$)/.test(rest) ? ':80' : '';
}

function isHost(host: string): boolean {
  if (host.startsWith('[') || isIPv4(host)) return true;
  const label = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;
  const labels = host.replace(/\.$/, '').split('.');
  // Some resolvers read a last label of digits as an address.
  return (
    host.length <= 253 &&
    labels.every((one) => label.test(one)) &&
    !/^(?:\d+|0x[0-9a-f]*)$/.test(labels.at(-1) ?? '')
  );
}
