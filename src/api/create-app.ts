import express, { type Express } from 'express';
import type { Logger } from 'pino';
import type { Transport } from '../jobs/streams.ts';
import type { Front } from '../queue/open-front.ts';
import type { VerifyToken } from '../token/claims.ts';
import { nothingHere, problemHandler } from './errors.ts';
import { requestLog } from './request-log.ts';
import { changes } from './routes/changes.ts';
import { jobRoutes } from './routes/job-routes.ts';
import { probes } from './routes/probes.ts';
import { reads } from './routes/reads.ts';
import { streamRoutes } from './routes/streams.ts';
import { createStreamOpener } from './streams/open-stream.ts';
import { requireToken } from './token-path.ts';

export interface ApiParts {
  front: Front;
  verifyToken: VerifyToken;
  version: string;
  /** How streams come from the workers. */
  transport: Transport;
  log: Logger;
}

/** The HTTP surface. It knows the queue's front and nothing of systemd or Docker. */
export function createApp({ front, verifyToken, version, transport, log }: ApiParts): Express {
  const app = express();
  app.disable('x-powered-by').disable('etag').set('query parser', 'simple');
  app.enable('case sensitive routing').enable('strict routing');
  app.use(requestLog(log));
  app.use(requireToken(verifyToken));
  // Changes first: they are what must be fast.
  changes(app, front);
  reads(app, front);
  jobRoutes(app, front);
  streamRoutes(app, front, createStreamOpener(front, transport, log));
  probes(app, front, version);
  app.use(nothingHere);
  app.use(problemHandler(log));
  return app;
}
