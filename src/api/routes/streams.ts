import type { Logger } from 'pino';
import { journalCursor } from '../../jobs/fields/identifier.ts';
import type { ApiQueue } from '../../queue/api-queue.ts';
import type { OrderHandlers } from '../dispatch.ts';
import { holderOf } from '../placement.ts';
import { knownEntities, lastEventId, logFormat } from '../request/preferences.ts';
import { clientGone } from '../request/request-context.ts';
import { jobEventId, jobLog } from '../streams/job-log.ts';
import type { OpenStreamOf } from '../streams/open-stream.ts';
import { assertDetectsCuts, sendStream } from '../streams/send-stream.ts';
import { visible } from './job-routes.ts';

type StreamRoutes = Pick<OrderHandlers, 'container.log' | 'job.log' | 'content.archive'>;

/** Handlers of requests for streams: logs and archives. */
export function streamRoutes(queue: ApiQueue, open: OpenStreamOf, log: Logger): StreamRoutes {
  return {
    async 'container.log'(req, res, { all, wants: { resource }, seal }) {
      assertDetectsCuts(req);
      res.locals.caller.occupy('userStreams');
      const format = logFormat(req);
      const how = { format, after: lastEventId(req, journalCursor) };
      const host = await holderOf(queue, 'gear', resource, all.h);
      const signal = clientGone(res);
      const wanted = { name: 'container.log', sealed: seal({ use: 'answer', host }), how } as const;
      const { body } = await open(host, wanted, signal, log.child(res.locals.log));
      await sendStream(req, res, { 'Content-Type': `${format}; charset=utf-8` }, body, signal);
    },

    async 'job.log'(req, res, { scope, wants: { id } }) {
      assertDetectsCuts(req);
      res.locals.caller.occupy('userStreams');
      const format = logFormat(req);
      const after = lastEventId(req, jobEventId);
      const record = visible(await queue.job(id), scope);
      const signal = clientGone(res);
      const body = jobLog(queue, record, format, after, signal);
      await sendStream(req, res, { 'Content-Type': `${format}; charset=utf-8` }, body, signal);
    },

    async 'content.archive'(req, res, { all, wants: { resource, format }, seal }) {
      assertDetectsCuts(req);
      res.locals.caller.occupy('userArchives');
      const host = await holderOf(queue, 'repository', resource, all.h);
      const signal = clientGone(res);
      const how = { known: knownEntities(req) };
      const wanted = { name: 'content.archive', sealed: seal({ use: 'answer', host }), how } as const;
      const { head, body } = await open(host, wanted, signal, log.child(res.locals.log));
      // A client may keep an archive and revalidate it later.
      const headers = { ETag: head.etag, 'Cache-Control': 'private, no-cache' };
      if (head.notModified) {
        for await (const _ of body); // The body is empty, but its end must be read.
        res.writeHead(304, headers).end();
        return;
      }
      const disposition = `attachment; filename="${head.filename}"`;
      const type = format === 'zip' ? 'application/zip' : 'application/gzip';
      const described = { ...headers, 'Content-Type': type, 'Content-Disposition': disposition };
      await sendStream(req, res, described, body, signal);
    },
  };
}
