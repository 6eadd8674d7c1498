import type { RequestHandler } from 'express';
import { Failure } from '../jobs/errors.ts';
import type { VerifyToken } from '../token/claims.ts';
import { contextOf } from './request-context.ts';

const prefixed = /^\/token\/([^/?]{0,4096})(?=[/?]|$)/;
/** What anybody may ask. */
const openPaths = new Set(['/healthz', '/readyz']);
const bearer = /^Bearer +(\S{1,4096})$/i;

/**
 * Takes the token off the path, or out of the Authorization header, and lets only valid ones pass. The rest of
 * the path is what the routes see.
 */
export function requireToken(verify: VerifyToken): RequestHandler {
  return (req, res, next) => {
    res.setHeader('Cache-Control', 'no-store');
    res.setHeader('Referrer-Policy', 'no-referrer');
    const inPath = prefixed.exec(req.url);
    if (!inPath && openPaths.has(req.path)) {
      next();
      return;
    }
    const token = inPath ? inPath[1] : bearer.exec(req.headers.authorization ?? '')?.[1];
    const claims = token === undefined ? null : verify(token);
    if (token === undefined || !claims) throw new Failure('token_invalid', 'the request needs a valid token');
    const context = contextOf(req);
    context.claims = claims;
    context.token = token;
    if (inPath) {
      context.prefix = inPath[0];
      req.url = req.url.slice(inPath[0].length);
      if (!req.url.startsWith('/')) req.url = `/${req.url}`;
    }
    next();
  };
}
