import { expect, test, vi } from 'vitest';
import { Failure } from '../../../../src/jobs/errors.ts';
import { withRetries } from '../../../../src/worker/jobs/retry.ts';

const hooks = (signal = new AbortController().signal) => {
  const delays: number[] = [];
  return { delays, signal, onRetry: (_: Failure, delay: number) => void delays.push(delay) };
};

test('what may pass is tried again, each time a little later', async () => {
  const told = hooks();
  let tries = 0;
  const result = await withRetries(async () => {
    if (++tries < 3) throw new Failure('host_unavailable', 'away', { transient: true });
    return tries;
  }, told);
  expect([result, told.delays]).toEqual([3, [250, 500]]);
});

test('what fails after it had come far is tried again with fresh patience, but not for ever', async () => {
  let passed = 0;
  const clock = performance.now.bind(performance);
  const spy = vi.spyOn(performance, 'now').mockImplementation(() => clock() + passed);
  let tries = 0;
  const fails = async () => {
    tries++;
    passed += 100_000;
    throw new Failure('host_unavailable', 'away', { transient: true });
  };
  await expect(withRetries(fails, hooks())).rejects.toThrow('away');
  spy.mockRestore();
  expect(tries).toBe(4);
});

test('a fault that passes is waited out, whatever the clock is set to meanwhile', async () => {
  let setBy = 0;
  const clock = Date.now;
  const spy = vi.spyOn(Date, 'now').mockImplementation(() => clock() + setBy);
  let tries = 0;
  const passes = async () => {
    setBy += 86_400_000;
    if (++tries < 3) throw new Failure('host_unavailable', 'away', { transient: true });
    return 'there again';
  };
  expect(await withRetries(passes, hooks())).toBe('there again');
  spy.mockRestore();
});

test('what will not pass is not tried again', async () => {
  const told = hooks();
  await expect(
    withRetries(() => Promise.reject(new Failure('image_not_found', 'none')), told),
  ).rejects.toThrow('none');
  expect(told.delays).toEqual([]);
});

test('a pause ends at once when the job is cancelled', async () => {
  const abort = new AbortController();
  const told = { ...hooks(abort.signal), onRetry: () => abort.abort(new Error('cancelled')) };
  const away = () => Promise.reject(new Failure('host_unavailable', 'away', { transient: true }));
  await expect(withRetries(away, told)).rejects.toThrow('cancelled');
});
