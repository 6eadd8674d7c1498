import { expect, test } from 'vitest';
import type { QueryHandlers } from '../../../src/queue/worker-queue.ts';
import { hostPaths } from '../../../src/worker/domain/paths.ts';
import { createQueryHandlers, type QueryHandlerParts } from '../../../src/worker/queries.ts';

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
      }),
    },
  };
  return createQueryHandlers(parts as unknown as QueryHandlerParts);
}

const never = new AbortController().signal;
const absent = { code: 'environment_not_found' };

test('a read that hangs gives its place back when nobody waits for its answer any more', async () => {
  const queries = oneAtATime();
  const deadline = new AbortController();
  const late = new Error('too late');
  const hung = queries['container.list']('alice', { names: [] }, deadline.signal);
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
  const hung = queries['container.list']('alice', { names: [] }, first.signal);
  const waiting = queries['container.list']('bob', { names: [] }, second.signal);
  const late = new Error('too late');
  second.abort(late);
  await expect(waiting).rejects.toBe(late);
  first.abort(late);
  await expect(hung).rejects.toBe(late);
  await expect(queries['environment.read']('bob', {}, never)).rejects.toMatchObject(absent);
});
