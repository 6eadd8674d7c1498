import pino from 'pino';
import { expect, test, vi } from 'vitest';
import { Failure } from '../../../../src/jobs/errors.ts';
import type { Job } from '../../../../src/jobs/job.ts';
import type { Handlers } from '../../../../src/worker/jobs/context.ts';
import { execute, undefinedEnd } from '../../../../src/worker/jobs/execute.ts';
import { Cancelled, HandedBack } from '../../../../src/worker/jobs/interruptions.ts';

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

function setUp(run: () => Promise<unknown> = async () => 'done', { cancelled = false, crashes = 0 } = {}) {
  const stop = { run: vi.fn(run), undo: vi.fn(async () => 'taken back') };
  const [abort, handBack] = [new AbortController(), new AbortController()];
  const countRetry = vi.fn(() => undefined);
  const context = {
    job: 'a'.repeat(32),
    services: { host: 'h1', log: pino({ level: 'silent' }) } as never,
    report: () => undefined,
    checkpoint: (look: () => Promise<string>) => look(),
    tenant: '0',
    sees: () => true,
  };
  const execution = {
    context,
    handlers: { 'container.stop': stop } as unknown as Handlers,
    crashes,
    cancelled,
    signal: abort.signal,
    handedBack: handBack.signal,
    countRetry,
  };
  const command = { type: 'container.stop', params: { resource: 'a' } } as const;
  return {
    stop,
    abort,
    handBack,
    context,
    countRetry,
    go: (one = job()) => execute(one, command, execution),
  };
}

test('a job that has taken the worker down too often fails and has no effect', async () => {
  const { stop, go } = setUp(undefined, { crashes: 20 });
  expect(await go()).toMatchObject({ state: 'failed', error: { code: 'internal' } });
  expect(stop.run).not.toHaveBeenCalled();
});

test('a failure is told with what was done to take it back', async () => {
  const { go } = setUp(() => Promise.reject(new Failure('start_failed', 'exit status 3')));
  expect(await go()).toMatchObject({
    state: 'failed',
    error: { code: 'start_failed', detail: 'exit status 3\ntaken back' },
  });
});

test('a fault of our own is told without its words', async () => {
  const { go } = setUp(() => Promise.reject(new Error('/secret/path')));
  const outcome = await go();
  expect(outcome).toMatchObject({ state: 'failed', error: { code: 'internal' } });
  expect(JSON.stringify(outcome)).not.toContain('secret');
});

test('a cancelled job is taken back, one that is handed back is left as it is', async () => {
  const cancelled = setUp(() => Promise.reject(new Cancelled()));
  expect(await cancelled.go()).toEqual({ state: 'cancelled' });
  expect(cancelled.stop.undo).toHaveBeenCalledOnce();
  const handedBack = setUp(() => Promise.reject(new HandedBack()));
  await expect(handedBack.go()).rejects.toBeInstanceOf(HandedBack);
  expect(handedBack.stop.undo).not.toHaveBeenCalled();
});

test('a job that was cancelled while no worker ran is not begun', async () => {
  const { stop, go } = setUp(undefined, { cancelled: true });
  expect(await go()).toEqual({ state: 'cancelled' });
  expect(stop.run).not.toHaveBeenCalled();
});

const away = () => Promise.reject(new Failure('host_unavailable', 'away', { transient: true }));

test('what a job that is cancelled fails with meanwhile is not its end: it is cancelled and taken back (house 7.3)', async () => {
  for (const failure of [away, () => Promise.reject(new Failure('start_failed', 'exit status 143'))]) {
    const { stop, abort, go } = setUp(async () => {
      abort.abort(new Cancelled());
      return failure();
    });
    expect(await go()).toEqual({ state: 'cancelled' });
    expect(stop.undo).toHaveBeenCalledOnce();
  }
});

test('what a job that is handed back fails with meanwhile is not its end: nothing is taken back (house 7.3)', async () => {
  for (const failure of [away, () => Promise.reject(new Failure('start_failed', 'exit status 143'))]) {
    const { stop, abort, go } = setUp(async () => {
      abort.abort(new HandedBack());
      return failure();
    });
    await expect(go()).rejects.toBeInstanceOf(HandedBack);
    expect(stop.undo).not.toHaveBeenCalled();
  }
});

test('a job that fails while the worker stops is taken back by the next worker', async () => {
  const { stop, handBack, go } = setUp(() => Promise.reject(new Failure('start_failed', 'exit status 3')));
  stop.undo.mockImplementation(() => {
    handBack.abort(new HandedBack());
    return away();
  });
  await expect(go()).rejects.toBeInstanceOf(HandedBack);
});

test('a fault that passes is a retry and no crash (house 7.7)', async () => {
  let tries = 0;
  const { countRetry, go } = setUp(async () => (++tries < 3 ? away() : 'done'), { crashes: 19 });
  expect(await go()).toEqual({ state: 'succeeded', result: 'done' });
  expect(countRetry).toHaveBeenCalledTimes(2);
});

test('a full disk is waited for, and both client and operator are told to free space', async () => {
  const full = Object.assign(new Error('ENOSPC: no space left on device, open'), { code: 'ENOSPC' });
  let tries = 0;
  const { countRetry, go } = setUp(async () => (++tries < 2 ? Promise.reject(full) : 'done'));
  expect(await go()).toMatchObject({ state: 'succeeded' });
  expect(countRetry).toHaveBeenCalledOnce();
});

test('a job that cannot be taken back is brought to its end when it is cancelled in the middle, or was', async () => {
  const settings = setUp(undefined, { cancelled: true });
  Object.assign(settings.stop, { undo: undefined });
  expect(await settings.go(job({ attempts: 2 }))).toEqual({ state: 'succeeded', result: 'done' });
  expect(await settings.go(job({ attempts: 1 }))).toEqual({ state: 'cancelled' });
  const middle = setUp(async () => {
    middle.abort.abort(new Cancelled());
    return ++tries < 2 ? away() : 'done';
  });
  let tries = 0;
  Object.assign(middle.stop, { undo: undefined });
  expect(await middle.go()).toEqual({ state: 'succeeded', result: 'done' });
});

test('a job that cannot be taken back and meets a fault that lasts says that what it has done stays', async () => {
  const lasts = () => Promise.reject(new Failure('timeout', 'away', { transient: true }));
  const { stop, go } = setUp(lasts);
  Object.assign(stop, { undo: undefined });
  const detail = 'away\nthe completed steps stay in effect; to continue, send the same request with a new id';
  expect(await go()).toMatchObject({ state: 'failed', error: { code: 'timeout', detail } });
  const absent = setUp(() => Promise.reject(new Failure('container_not_found', 'none')));
  Object.assign(absent.stop, { undo: undefined });
  expect(await absent.go()).toMatchObject({ state: 'failed', error: { detail: 'none' } });
});

test('a job whose effect is there for good when it is cancelled has succeeded, and is not taken back', async () => {
  const { stop, go } = setUp(undefined, { cancelled: true });
  Object.assign(stop, { isCommitted: async () => true });
  expect(await go(job({ attempts: 2 }))).toEqual({ state: 'succeeded', result: 'done' });
  expect(stop.undo).not.toHaveBeenCalled();
});

test.each([
  ['a result that it does not have', async () => ({ unit: 'gear-a.service' }), true],
  ['an error that it does not have', () => Promise.reject(new Failure('clone_failed', 'no')), true],
  [
    'a result that it has',
    async () => ({ unit: 'gear-a.service', container: null, active: 'inactive' }),
    false,
  ],
  ['an error that it has', () => Promise.reject(new Failure('timeout', 'no')), false],
])('a job that ends with %s: whether its definition is said not to know that', async (_, run, isTold) => {
  const { go, context } = setUp(run);
  const told: string[] = [];
  const log = pino({ level: 'error' }, { write: (line: string) => void told.push(line) });
  context.services = { host: 'h1', log } as never;
  await go();
  expect(told.some((line) => line.includes(undefinedEnd))).toBe(isTold);
});
