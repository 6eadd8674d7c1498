import pino from 'pino';
import { expect, test, vi } from 'vitest';
import { Failure } from '../../src/jobs/errors.ts';
import type { JobRecord } from '../../src/queue/open-worker-queue.ts';
import type { Handlers } from '../../src/worker/context.ts';
import { execute } from '../../src/worker/execute.ts';
import { Cancelled, HandedBack } from '../../src/worker/interruptions.ts';

function record(job: Partial<JobRecord['job']>, more: Partial<JobRecord> = {}): JobRecord {
  const whole = {
    id: 'a'.repeat(32),
    type: 'container.stop',
    state: 'running',
    resource: 'a',
    host: 'h1',
    user: '0',
  } as const;
  const times = { createdAt: '2026-01-01T00:00:00Z', startedAt: '2026-01-01T00:00:00Z', finishedAt: null };
  const rest = { attempts: 1, progress: null, result: null, error: null };
  return {
    job: { ...whole, ...times, ...rest, ...job },
    fingerprint: 'f',
    params: { resource: 'a' },
    cancel: false,
    ...more,
  };
}

function setUp(run: () => Promise<unknown> = async () => 'done') {
  const stop = { run: vi.fn(run), undo: vi.fn(async () => 'taken back') };
  const abort = new AbortController();
  const execution = {
    room: { host: 'h1' } as never,
    handlers: { 'container.stop': stop } as unknown as Handlers,
    signal: abort.signal,
    report: async () => undefined,
    countAttempt: async () => undefined,
    log: pino({ level: 'silent' }),
  };
  return { stop, abort, go: (one: JobRecord) => execute(one, execution) };
}

test.each([
  ['of a type we do not know', record({ type: '__proto__' }), 'internal'],
  [
    'of a gear that is no name',
    record({ resource: '../../etc' }, { params: { resource: '../../etc' } }),
    'invalid_request',
  ],
  ['that names two gears', record({ resource: 'b' }), 'invalid_request'],
  [
    'with more than it may have',
    record({}, { params: { resource: 'a', command: ['rm'] } }),
    'invalid_request',
  ],
  ['without parameters', record({}, { params: null }), 'invalid_request'],
  ['that has taken the worker down too often', record({ attempts: 21 }), 'internal'],
])('a job %s fails and has no effect', async (_, one, code) => {
  const { stop, go } = setUp();
  expect(await go(one)).toMatchObject({ state: 'failed', error: { code } });
  expect(stop.run).not.toHaveBeenCalled();
});

test('a failure is told with what was done to take it back', async () => {
  const { go } = setUp(() => Promise.reject(new Failure('start_failed', 'exit status 3')));
  expect(await go(record({}))).toMatchObject({
    state: 'failed',
    error: { code: 'start_failed', detail: 'exit status 3\ntaken back' },
  });
});

test('a fault of our own is told without its words', async () => {
  const { go } = setUp(() => Promise.reject(new Error('/secret/path')));
  const outcome = await go(record({}));
  expect(outcome).toMatchObject({ state: 'failed', error: { code: 'internal' } });
  expect(JSON.stringify(outcome)).not.toContain('secret');
});

test('a cancelled job is taken back, one that is handed back is left as it is', async () => {
  const cancelled = setUp(() => Promise.reject(new Cancelled()));
  expect(await cancelled.go(record({}))).toEqual({ state: 'cancelled' });
  expect(cancelled.stop.undo).toHaveBeenCalledOnce();
  const handedBack = setUp(() => Promise.reject(new HandedBack()));
  await expect(handedBack.go(record({}))).rejects.toBeInstanceOf(HandedBack);
  expect(handedBack.stop.undo).not.toHaveBeenCalled();
});

test('a job that was cancelled while no worker ran is not begun', async () => {
  const { stop, go } = setUp();
  expect(await go(record({}, { cancel: true }))).toEqual({ state: 'cancelled' });
  expect(stop.run).not.toHaveBeenCalled();
});
