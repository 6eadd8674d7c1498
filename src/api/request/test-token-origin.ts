import type { Request } from 'express';
import { Failure } from '../../jobs/errors.ts';

const loopbackNames = new Set(['localhost', '127.0.0.1', '[::1]']);

/**
 * Refuses a request with the test token that a Web page of somebody else has made: everybody knows
 * that token, and a browser on this machine reaches loopback. A name that was made to lead here
 * (DNS rebinding) shows in Host; a page of another origin, also one that a gear here serves at
 * another port, in Origin and Sec-Fetch-Site.
 */
export function assertLocalOrigin(req: Request): void {
  const { host = '', origin } = req.headers;
  const site = req.headers['sec-fetch-site'] ?? 'none';
  const name = host.replace(/:\d*$/, '').toLowerCase();
  if (!loopbackNames.has(name) && name !== addressOf(req))
    throw new Failure(
      'token_forbids',
      'the test token is accepted only at a name of loopback or at the address of this server',
    );
  if ((origin !== undefined && origin !== `http://${host}`) || (site !== 'none' && site !== 'same-origin'))
    throw new Failure('token_forbids', 'the test token is not accepted from a page of another origin');
}

/** At which of our addresses the request has come, as Host has it. */
function addressOf({ socket }: Request): string {
  const address = (socket.localAddress ?? '').replace(/^::ffff:(?=[\d.]+$)/, '');
  return address.includes(':') ? `[${address}]` : address;
}
