import type { Request } from 'express';
import { Failure } from '../../jobs/errors.ts';
import { namedHost } from '../../lib/http/named-host.ts';

const loopbackNames = new Set(['localhost', '127.0.0.1', '[::1]']);

/**
 * Rejects a request with the test token that a foreign web page sends: everybody knows that token,
 * and a browser on this machine can reach loopback. Host reveals a name that was pointed at this
 * machine (DNS rebinding). Origin and Sec-Fetch-Site reveal a page of another origin, including a
 * page that a gear on this host serves at another port. Throws `token_forbids`.
 */
export function assertLocalOrigin(req: Request): void {
  const { host, origin } = req.headers;
  const site = req.headers['sec-fetch-site'] ?? 'none';
  const name = namedHost(host);
  if (!loopbackNames.has(name) && name !== addressOf(req))
    throw new Failure(
      'token_forbids',
      'the test token is accepted only at a name of loopback or at the address of this server',
    );
  if ((origin !== undefined && origin !== `http://${host}`) || (site !== 'none' && site !== 'same-origin'))
    throw new Failure('token_forbids', 'the test token is not accepted from a page of another origin');
}

/** Returns the local address that received the request, in the syntax of Host. */
function addressOf({ socket }: Request): string {
  const address = (socket.localAddress ?? '').replace(/^::ffff:(?=[\d.]+$)/, '');
  return address.includes(':') ? `[${address}]` : address;
}
