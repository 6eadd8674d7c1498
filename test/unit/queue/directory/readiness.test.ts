import { expect, onTestFinished, test, vi } from 'vitest';
import { succeeds } from '../../../../src/lib/async/succeeds.ts';
import { createDirectoryReadiness } from '../../../../src/queue/directory/readiness.ts';

/** Whether a request would be answered now. */
async function isSettled({ settled }: ReturnType<typeof createDirectoryReadiness>): Promise<boolean> {
  let is = false;
  void succeeds(settled()).then((it) => {
    is = it;
  });
  await vi.advanceTimersByTimeAsync(0);
  return is;
}

test('a second loss of Redis, while hosts are still awaited, waits for all of them again', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const readiness = createDirectoryReadiness(['h1', 'h2']);
  onTestFinished(readiness.close);
  readiness.begin(0);
  readiness.heard('h1');
  readiness.begin(0);
  readiness.heard('h1');
  expect(await isSettled(readiness)).toBe(false);
  readiness.heard('h2');
  expect(await isSettled(readiness)).toBe(true);
});
