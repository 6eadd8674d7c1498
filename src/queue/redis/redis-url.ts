/** The login in a URL. A part that the URL lacks is absent. */
interface Login {
  username?: string;
  password?: string;
}

/** A Redis with several addresses: Sentinels that know the master of a name, or Cluster nodes. */
export interface ManyAddresses {
  kind: 'sentinel' | 'cluster';
  tls: boolean;
  login: Login;
  addresses: { host: string; port: number }[];
  /** The Sentinels' name for the master; empty for a Cluster. */
  master: string;
  database: number;
}

const single = /^(?:rediss?:\/\/[^\s/]+(?:\/\d{0,4})?|unix:\/[^\0\r\n]+)$/;
const address = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/;
const several =
  /^redis(?<tls>s?)\+(?<kind>sentinel|cluster):\/\/(?:(?<who>[^\s@/]*)@)?(?<list>[^\s@/]+)(?:\/(?<master>[A-Za-z0-9._-]+)(?:\/(?<database>\d{1,4}))?)?$/;

/** Whether a text is a valid Redis URL. */
export const isRedisUrl = (text: string) =>
  (single.test(text) && URL.canParse(text)) || parseAddresses(text) !== null;

/** Whether a URL requires TLS. */
export const speaksTls = (url: string) => url.startsWith('rediss');

/** The hosts that a URL names; none for a socket. */
export function hostsOf(url: string): string[] {
  if (url.startsWith('unix:')) return [];
  const many = parseAddresses(url)?.addresses.map(({ host }) => host);
  return many ?? [new URL(url).hostname.replace(/^\[|\]$/g, '')];
}

/** Whether a URL contains a password. */
export function holdsPassword(url: string): boolean {
  const many = parseAddresses(url);
  return Boolean(many ? many.login.password : new URL(url).password);
}

/** A URL without its user and password, for people to see. */
export const withoutLogin = (url: string) => url.replace(/\/\/[^/]*@/, '//');

/** Parses a URL with several addresses; null for any other text. */
export function parseAddresses(url: string): ManyAddresses | null {
  const { tls, kind, who, list, master, database } = several.exec(url)?.groups ?? {};
  if (list === undefined || (kind === 'sentinel') !== (master !== undefined)) return null;
  const addresses = list.split(',').map(parseAddress);
  const login = parseLogin(who);
  if (login === null || !addresses.every((one) => one !== null)) return null;
  return {
    kind: kind === 'cluster' ? 'cluster' : 'sentinel',
    tls: tls === 's',
    login,
    addresses,
    master: master ?? '',
    database: Number(database ?? 0),
  };
}

function parseAddress(text: string): { host: string; port: number } | null {
  const [, six, name, digits] = address.exec(text) ?? [];
  const port = Number(digits);
  return port > 0 && port <= 65_535 ? { host: six ?? name ?? '', port } : null;
}

/** `user:password` or `:password`, special characters as `%xx`; null if an encoding is invalid. */
function parseLogin(who = ''): Login | null {
  const colon = who.indexOf(':');
  try {
    const username = decodeURIComponent(colon < 0 ? who : who.slice(0, colon));
    const password = colon < 0 ? '' : decodeURIComponent(who.slice(colon + 1));
    return { ...(username && { username }), ...(password && { password }) };
  } catch {
    return null;
  }
}
