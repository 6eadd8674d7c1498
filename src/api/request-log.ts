import type { RequestHandler } from 'express';
import type { Logger } from 'pino';
import { requestSeconds, requests } from './metrics.ts';
import { originOf } from './request/origin.ts';
import { brokenOff, type LogFields } from './request/request-context.ts';

/**
 * Logs one line when a request has ended, without URL and headers, because they contain tokens. The
 * line of a refused request belongs to the audit log.
 */
export function requestLog(log: Logger): RequestHandler {
  return (req, res, next) => {
    const started = performance.now();
    const { method } = req;
    const fields: LogFields = originOf(req); // The peer is unknown once the connection is closed.
    res.locals.log = fields;
    res.once('close', () => {
      const ms = Math.round((performance.now() - started) * 10) / 10;
      const { type: action = 'other', outcome: became = 'answered' } = fields;
      requests.add({ action, status: res.headersSent ? String(res.statusCode) : 'other' });
      if (res.locals.slot === 'userRequests') requestSeconds.observe({ action }, ms / 1000);
      // A response that we broke off is unfinished, too.
      const outcome = res.writableFinished || became === brokenOff ? became : 'client went away';
      const line = { method, status: res.statusCode, ...fields, outcome, ms };
      const error = res.statusCode >= 400 || !res.writableFinished ? outcome : undefined;
      const isOurs = res.statusCode >= 500 || became === brokenOff;
      res.locals.span?.end({ 'http.response.status_code': res.statusCode }, error, isOurs);
      if (fields.audit) log.warn(line, 'refused');
      else log.info(line, 'request');
    });
    next();
  };
}
