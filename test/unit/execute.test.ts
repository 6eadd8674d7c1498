import pino from 'pino';
import { expect, test, vi } from 'vitest';
import { Failure } from '../../src/jobs/errors.ts';
import type { Job } from '../../src/jobs/job.ts';
import type { Handlers } from '../../src/worker/context.ts';
import { execute } from '../../src/worker/execute.ts';
import { Cancelled, HandedBack } from '../../src/worker/interruptions.ts';

function job(more: Partial<Job> = {}): Job {
  const whole = {
    id: 'a'.repeat(32),
    type: 'container.stop',
    state: 'running',
    resource: 'a',
    host: 'h1',
    user: '0',
  } as const;
  const times = { createdAt: '2026-01-01T00:00:00Z', startedAt: '2026-01-01T00:00:00Z', finishedAt: null };
  return { ...whole, ...times, attempts: 1, progress: null, result: null, error: null, ...more };
}

function setUp(run: () => Promise<unknown> = async () => 'done', cancelled = false) {
  const stop = { run: vi.fn(run), undo: vi.fn(async () => 'taken back') };
  const abort = new AbortController();
  const execution = {
    room: { host: 'h1' } as never,
    handlers: { 'container.stop': stop } as unknown as Handlers,
    cancelled,
    signal: abort.signal,
    report: async () => undefined,
    countAttempt: async () => undefined,
    log: pino({ level: 'silent' }),
  };
  const command = { type: 'container.stop', params: { resource: 'a' } } as const;
  return { stop, abort, go: (one: Job) => execute(one, command, execution) };
}

test('a job that has taken the worker down too often fails and has no effect', async () => {
  const { stop, go } = setUp();
  expect(await go(job({ attempts: 21 }))).toMatchObject({ state: 'failed', error: { code: 'internal' } });
  expect(stop.run).not.toHaveBeenCalled();
});

test('a failure is told with what was done to take it back', async () => {
  const { go } = setUp(() => Promise.reject(new Failure('start_failed', 'exit status 3')));
  expect(await go(job())).toMatchObject({
    state: 'failed',
    error: { code: 'start_failed', detail: 'exit status 3\ntaken back' },
  });
});

test('a fault of our own is told without its words', async () => {
  const { go } = setUp(() => Promise.reject(new Error('/secret/path')));
  const outcome = await go(job());
  expect(outcome).toMatchObject({ state: 'failed', error: { code: 'internal' } });
  expect(JSON.stringify(outcome)).not.toContain('secret');
});

test('a cancelled job is taken back, one that is handed back is left as it is', async () => {
  const cancelled = setUp(() => Promise.reject(new Cancelled()));
  expect(await cancelled.go(job())).toEqual({ state: 'cancelled' });
  expect(cancelled.stop.undo).toHaveBeenCalledOnce();
  const handedBack = setUp(() => Promise.reject(new HandedBack()));
  await expect(handedBack.go(job())).rejects.toBeInstanceOf(HandedBack);
  expect(handedBack.stop.undo).not.toHaveBeenCalled();
});

test('a job that was cancelled while no worker ran is not begun', async () => {
  const { stop, go } = setUp(undefined, true);
  expect(await go(job())).toEqual({ state: 'cancelled' });
  expect(stop.run).not.toHaveBeenCalled();
});
