import type { IRouter, Request, Response } from 'express';
import { Failure } from '../../jobs/errors.ts';
import { journalCursor, refName } from '../../jobs/identifier.ts';
import type { Front } from '../../queue/open-front.ts';
import { checked, parametersOf, required } from '../parameters.ts';
import { holderOf } from '../placement.ts';
import { knownEntities, lastEventId, logFormat } from '../preferences.ts';
import { contextOf, named } from '../request-context.ts';
import { sendText } from '../respond.ts';
import { jobEventId, jobLog } from '../streams/job-log.ts';
import type { OpenStreamOf } from '../streams/open-stream.ts';
import { mustDetectCuts, sendStream } from '../streams/send-stream.ts';
import { idOf, visible } from './job-routes.ts';

/** Lines of history and seconds of following that a log has when nothing is said. */
const usualLines = 100;
const usualSeconds = 30;

/** What comes back as a stream: logs and archives. */
export function streamRoutes(routes: IRouter, front: Front, open: OpenStreamOf): void {
  const containerLog = async (req: Request, res: Response) => {
    mustDetectCuts(req);
    const all = parametersOf(req);
    const resource = logged(req, required(all, 'r'));
    const format = logFormat(req);
    const last = lastEventId(req);
    const args = {
      resource,
      format,
      lines: all.lines ?? usualLines,
      seconds: all.for ?? usualSeconds,
      after: last === null ? null : checked(journalCursor, last),
    };
    const host = await holderOf(front, 'gear', resource, all.h);
    const { token, gone } = contextOf(req);
    const signal = gone();
    const { body } = await open(host, 'container.log', args, token, signal);
    await sendStream(req, res, { 'Content-Type': `${format}; charset=utf-8` }, body, signal);
  };
  routes.get('/container/log', named('container.log'), containerLog);
  // As the seed writes it.
  routes.put('/container/log', named('container.log'), containerLog);

  routes.get('/job/:id/log', named('job.log'), async (req, res) => {
    mustDetectCuts(req);
    const all = parametersOf(req);
    const format = logFormat(req);
    const last = lastEventId(req);
    const after = last === null ? null : checked(jobEventId, last);
    const record = visible(await front.job(idOf(req)), all);
    const signal = contextOf(req).gone();
    const body = jobLog(front, record, format, after, signal);
    await sendStream(req, res, { 'Content-Type': `${format}; charset=utf-8` }, body, signal);
  });

  routes.get(['/content', '/content/*ref'], named('content.read'), async (req, res) => {
    const all = parametersOf(req);
    const resource = logged(req, required(all, 'r'));
    const type = required(all, 't');
    if (type === 'gitarchive') await archive(req, res, resource, all);
    else if (type === 'env') await environment(req, res, resource, all.h);
    else throw new Failure('invalid_request', 't must be gitarchive or env');
  });

  const environment = async (req: Request, res: Response, resource: string, h: string | undefined) => {
    if (refOf(req) !== null) throw new Failure('invalid_request', 't=env takes no path behind content');
    const host = await holderOf(front, 'environment', resource, h);
    const variables = await front.ask(host, 'environment.read', { resource });
    // JSON's string is what the contract's NAME="value" becomes when a value has quotes and line breaks.
    const lines = variables.map(({ name, value }) => `${name}=${JSON.stringify(value)}\n`);
    sendText(res, 200, lines.join(''), 'text/plain');
  };

  const archive = async (
    req: Request,
    res: Response,
    resource: string,
    all: ReturnType<typeof parametersOf>,
  ) => {
    mustDetectCuts(req);
    const format = all.format ?? 'zip';
    const args = { resource, ref: refOf(req), format, known: knownEntities(req) };
    const host = await holderOf(front, 'repository', resource, all.h);
    const { token, gone } = contextOf(req);
    const signal = gone();
    const { head, body } = await open(host, 'content.archive', args, token, signal);
    // An archive may be kept by its client, which then asks whether it is still so.
    const headers = { ETag: head.etag, 'Cache-Control': 'private, no-cache' };
    if (head.notModified) {
      for await (const _ of body); // There is nothing in it, but its end must be read.
      res.writeHead(304, headers).end();
      return;
    }
    const disposition = `attachment; filename="${head.filename}"`;
    const type = format === 'zip' ? 'application/zip' : 'application/gzip';
    await sendStream(
      req,
      res,
      { ...headers, 'Content-Type': type, 'Content-Disposition': disposition },
      body,
      signal,
    );
  };
}

/** The ref behind `/content/`, which may hold slashes; null: none. */
function refOf(req: Request): string | null {
  const parts = (req.params as { ref?: string[] }).ref;
  return parts === undefined ? null : checked(refName, parts.join('/'));
}

function logged(req: Request, resource: string): string {
  contextOf(req).log.resource = resource;
  return resource;
}
