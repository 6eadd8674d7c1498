import type { IRouter } from 'express';
import type { ApiQueue } from '../../queue/api-queue.ts';
import { sendJson } from '../respond.ts';

/** What a load balancer asks, without a token. */
export function probes(routes: IRouter, queue: ApiQueue, version: string): void {
  routes.get('/healthz', (_req, res) => sendJson(res, 200, { status: 'ok', version }));
  routes.get('/readyz', async (_req, res) => {
    await queue.ping();
    sendJson(res, 200, { status: 'ready' });
  });
}
