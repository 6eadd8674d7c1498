import { once } from 'node:events';
import type { Redis } from 'ioredis';
import { expect, onTestFinished, test } from 'vitest';
import { type QueryHandlers, serveQueries } from '../../../../src/queue/rpc/rpc.ts';
import { keepLog } from '../../../support/log-lines.ts';
import { until } from '../../../support/until.ts';

/** What a worker logs of a question of ann's; `publish` sends its answer. */
async function loggedOf(answer: () => Promise<never>, publish: () => Promise<number>) {
  const { log, lines } = keepLog();
  const stop = new AbortController();
  const question = { question: 'container.read', sealed: 'sealed', args: {}, until: Date.now() + 20_000 };
  const asks = [JSON.stringify({ ...question, id: crypto.randomUUID(), api: crypto.randomUUID() })];
  const brpop = async () => {
    const next = asks.pop();
    if (next !== undefined) return ['asks', next];
    await once(stop.signal, 'abort');
    return null;
  };
  const handler: QueryHandlers['container.read'] = (_sealed, _args, asking) => {
    asking.log = asking.log.child({ user: 'ann' });
    return answer();
  };
  const answers = { 'container.read': handler } as unknown as QueryHandlers;
  const [redis, blocking] = [{ publish }, { brpop }] as unknown as [Redis, Redis];
  const served = serveQueries(redis, blocking, 'h1', answers, { now: Date.now }, log, stop.signal);
  onTestFinished(async () => {
    stop.abort();
    await served;
  });
  return until('there is a line', () => lines[0]);
}

test('a question that could not be answered is logged with which it is, and whose', async () => {
  const fails = () => Promise.reject(new Error('systemd is away'));
  const line = await loggedOf(fails, async () => 1);
  const whose = { question: 'container.read', user: 'ann' };
  expect(line).toMatchObject({ ...whose, level: 50, msg: 'a query could not be answered' });
});

test('an answer that gets lost is logged with which question it was of, and whose', async () => {
  const lost = () => Promise.reject(new Error('Redis is away'));
  const line = await loggedOf(async () => ({}) as never, lost);
  const whose = { question: 'container.read', user: 'ann' };
  expect(line).toMatchObject({ ...whose, msg: 'an answer got lost', reason: 'Redis is away' });
});
