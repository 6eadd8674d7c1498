import express, { type Express } from 'express';
import type { Logger } from 'pino';
import { Failure } from '../jobs/errors.ts';
import type { UserLimits } from '../jobs/limits.ts';
import { sendMetrics } from '../lib/metrics/exposition.ts';
import type { ApiQueue } from '../queue/api-queue.ts';
import type { Sealer } from '../token/seal.ts';
import type { Verifier } from '../token/verifier.ts';
import { dispatch } from './dispatch.ts';
import { problemHandler } from './errors.ts';
import { watchFleet } from './metrics.ts';
import { openPaths } from './openapi/open-paths.ts';
import { requireToken } from './request/token-path.ts';
import { createUserLimits } from './request/user-limits.ts';
import { requestLog } from './request-log.ts';
import { sendJson } from './respond.ts';
import { changes } from './routes/changes.ts';
import { jobRoutes } from './routes/job-routes.ts';
import { showOpenApi } from './routes/openapi.ts';
import { reads } from './routes/reads.ts';
import { streamRoutes } from './routes/streams.ts';
import type { OpenStreamOf } from './streams/open-stream.ts';

export interface ApiParts {
  queue: ApiQueue;
  verifier: Verifier;
  sealer: Sealer;
  version: string;
  limits: UserLimits;
  /** Opens a worker's streams. */
  open: OpenStreamOf;
  log: Logger;
}

/** Creates the Express app. It knows the queue, but neither systemd nor Docker. */
export function createApp({ queue, verifier, sealer, version, limits, open, log }: ApiParts): Express {
  const app = express();
  app.disable('x-powered-by').disable('etag').disable('query parser');
  app.enable('case sensitive routing').enable('strict routing');
  app.use(requestLog(log));
  app.use(requireToken(verifier, createUserLimits(limits)));
  // Paths that need no token; see openapi/open-paths.ts.
  app.get('/healthz', (_req, res) => sendJson(res, 200, { status: 'ok', version }));
  app.get('/readyz', async (_req, res) => {
    await queue.ping();
    sendJson(res, 200, { status: 'ready' });
  });
  app.get('/openapi.json', showOpenApi(version));
  watchFleet(queue);
  app.get('/metrics', sendMetrics);
  app.all(Object.keys(openPaths), () => {
    throw new Failure('method_not_allowed', 'this path takes GET');
  });
  const handlers = {
    ...changes(queue),
    ...reads(queue, limits, sealer),
    ...jobRoutes(queue),
    ...streamRoutes(queue, open, log),
  };
  app.use(dispatch(handlers, sealer, verifier.lifetimes));
  app.use(problemHandler(log));
  return app;
}
