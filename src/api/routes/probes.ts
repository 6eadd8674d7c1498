import type { IRouter } from 'express';
import { problemOf } from '../../jobs/errors.ts';
import { asQueueFailure, type Front } from '../../queue/open-front.ts';
import { sendJson, sendProblem } from '../respond.ts';

/** What a load balancer asks, without a token. */
export function probes(routes: IRouter, front: Front, version: string): void {
  routes.get('/healthz', (_req, res) => sendJson(res, 200, { status: 'ok', version }));
  routes.get('/readyz', async (req, res) => {
    try {
      await front.ping();
      sendJson(res, 200, { status: 'ready' });
    } catch (error) {
      sendProblem(
        req,
        res,
        problemOf('queue_unavailable', (asQueueFailure(error) ?? (error as Error)).message),
      );
    }
  });
}
