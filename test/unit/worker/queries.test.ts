import { expect, test } from 'vitest';
import type { Asking, QueryHandlers } from '../../../src/queue/worker-queue.ts';
import { hostPaths } from '../../../src/worker/domain/paths.ts';
import { createQueryHandlers, type QueryHandlerParts } from '../../../src/worker/queries.ts';
import { keepLog } from '../../support/log-lines.ts';

/** A worker that answers one query at a time, and whose systemd does not answer at all. */
function oneAtATime(): QueryHandlers {
  const hangs = () => new Promise<never>(() => undefined);
  const parts = {
    services: {
      paths: hostPaths('/nonexistent'),
      systemd: { loaded: hangs, enabled: hangs },
      limits: { maxAnswers: 1 },
    },
    authorizer: {
      order: async (sealed: string) => ({
        order: { wants: { resource: 'web' }, scope: {} },
        tenant: sealed,
        seal: JSON.stringify,
        owner: { user: sealed, token: 'token:1' },
      }),
      stream: async () => ({ owner: {} }),
    },
  };
  return createQueryHandlers(parts as unknown as QueryHandlerParts);
}

const until = (signal: AbortSignal): Asking => ({ signal, log: keepLog().log });
const never = until(new AbortController().signal);
const absent = { code: 'environment_not_found' };

test('a read that hangs gives its place back when nobody waits for its answer any more', async () => {
  const queries = oneAtATime();
  const deadline = new AbortController();
  const late = new Error('too late');
  const hung = queries['container.list']('alice', { names: [] }, until(deadline.signal));
  let isAnswered = false;
  const next = queries['environment.read']('bob', {}, never).finally(() => {
    isAnswered = true;
  });
  const refused = expect(next).rejects.toMatchObject(absent);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(isAnswered).toBe(false);
  deadline.abort(late);
  await expect(hung).rejects.toBe(late);
  await refused;
});

test('who waits for a turn until the deadline gets none, and stands in nobody’s way', async () => {
  const queries = oneAtATime();
  const [first, second] = [new AbortController(), new AbortController()];
  const hung = queries['container.list']('alice', { names: [] }, until(first.signal));
  const waiting = queries['container.list']('bob', { names: [] }, until(second.signal));
  const late = new Error('too late');
  second.abort(late);
  await expect(waiting).rejects.toBe(late);
  first.abort(late);
  await expect(hung).rejects.toBe(late);
  await expect(queries['environment.read']('bob', {}, never)).rejects.toMatchObject(absent);
});

test('once a request is opened, what is logged of its question says whose it is', async () => {
  const { log, lines } = keepLog();
  const asking: Asking = { signal: new AbortController().signal, log };
  await expect(oneAtATime()['environment.read']('bob', {}, asking)).rejects.toMatchObject(absent);
  asking.log.info('it is answered');
  expect(lines).toMatchObject([{ user: 'bob', token: 'token:1' }]);
});

test('a relayed stream that breaks off is logged with whose it is', async () => {
  const { log, lines } = keepLog();
  const parts = {
    services: { limits: { maxAnswers: 1 } },
    authorizer: { stream: async () => ({ owner: { user: 'bob', token: 'token:1', peer: '192.0.2.1' } }) },
    sources: { open: async () => ({ head: {}, body: [] }) },
    queue: { relay: () => Promise.reject(new Error('nobody reads')) },
  };
  const queries = createQueryHandlers(parts as unknown as QueryHandlerParts);
  const args = { id: crypto.randomUUID(), how: {} };
  await queries['stream.open']('sealed', args, { signal: new AbortController().signal, log });
  const whose = { user: 'bob', token: 'token:1', peer: '192.0.2.1' };
  expect(lines).toMatchObject([{ ...whose, msg: 'a stream was broken off', reason: 'nobody reads' }]);
});

test.each([
  'stream.open',
  'container.list',
  'job.cancel',
] as const)('arguments of %s that no api sends are refused, and not repeated in the refusal', async (name) => {
  const wrong = oneAtATime()[name]('alice', { id: 'a secret', names: 'a secret' } as never, never);
  await expect(wrong).rejects.toMatchObject({
    code: 'invalid_request',
    message: 'the query is not valid',
  });
});
