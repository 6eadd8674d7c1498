import { once } from 'node:events';
import type { Redis } from 'ioredis';
import { expect, onTestFinished, test } from 'vitest';
import { type QueryHandlers, serveQueries } from '../../../../src/queue/rpc/rpc.ts';
import { keepLog } from '../../../support/log-lines.ts';
import { until } from '../../../support/until.ts';

/** A query as it lies on the list. */
const written = () =>
  JSON.stringify({
    ...{ id: crypto.randomUUID(), api: crypto.randomUUID(), question: 'container.read' },
    ...{ sealed: 'sealed', args: {}, until: Date.now() + 20_000 },
  });

/** What a worker logs of a question of ann's; `publish` sends its answer. */
async function loggedOf(answer: () => Promise<never>, publish: () => Promise<number>) {
  const { log, lines } = keepLog();
  const stop = new AbortController();
  const asks = [written()];
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
  const [redis, blocking] = [{ publish }, { brpop, rpop: async () => null }] as unknown as [Redis, Redis];
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

test('queries that wait together are taken together, not a round trip each', async () => {
  const stop = new AbortController();
  const waiting = Array.from({ length: 90 }, written);
  let trips = 0;
  const blocking = {
    async brpop() {
      const next = waiting.pop();
      if (next === undefined) await once(stop.signal, 'abort');
      trips++;
      return next === undefined ? null : ['asks', next];
    },
    async rpop(_key: string, count: number) {
      trips++;
      return waiting.splice(0, count);
    },
  };
  let answered = 0;
  const redis = { publish: async () => ++answered };
  const answers = { 'container.read': async () => ({}) } as unknown as QueryHandlers;
  const parts = [redis, blocking] as unknown as [Redis, Redis];
  const served = serveQueries(...parts, 'h1', answers, { now: Date.now }, keepLog().log, stop.signal);
  await until('all are answered', () => answered === 90);
  expect(trips).toBe(2);
  stop.abort();
  await served;
});

test('an answer that is too large for Redis to hold is a failure, and the others are answered', async () => {
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  const waiting = [written(), written(), written()];
  const blocking = {
    async brpop() {
      const next = waiting.pop();
      if (next === undefined) await once(stop.signal, 'abort');
      return next === undefined ? null : ['asks', next];
    },
    rpop: async () => null,
  };
  const told: { id: string; answer?: string; failure?: { code: string; detail: string } }[] = [];
  const redis = { publish: async (_: string, text: string) => told.push(JSON.parse(text)) };
  const texts = ['small', 'x'.repeat(5 * 1024 * 1024), 'also small'];
  const answers = { 'container.read': async () => texts.pop() } as unknown as QueryHandlers;
  const parts = [redis, blocking] as unknown as [Redis, Redis];
  const { log, lines } = keepLog();
  const served = serveQueries(...parts, 'h1', answers, { now: Date.now }, log, stop.signal);
  await until('all are answered', () => told.length === 3);
  expect(told.flatMap(({ answer }) => answer ?? []).sort()).toEqual(['also small', 'small']);
  const [failure] = told.flatMap((one) => one.failure ?? []);
  expect(failure).toEqual({
    code: 'internal',
    detail: 'the answer of the host has 5242937 bytes, and at most 4194304 are sent',
  });
  expect(lines).toMatchObject([{ msg: 'an answer is too large to be sent', question: 'container.read' }]);
  stop.abort();
  await served;
});
