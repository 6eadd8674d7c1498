import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { pause } from '../../../../src/lib/async/pause.ts';
import { timeoutSignal } from '../../../../src/lib/async/timeout-signal.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

test.each<[string, (never: AbortSignal) => AbortSignal]>([
  ['is part of another one', (never) => AbortSignal.any([never, timeoutSignal(1_000)])],
  ['is made with another one', (never) => timeoutSignal(1_000, never)],
])('a signal that %s aborts in time, whatever was collected before', async (_, make) => {
  const inTime = make(new AbortController().signal);
  const aborted = new Promise((resolve) => {
    inTime.addEventListener('abort', () => resolve((inTime.reason as Error).name));
  });
  for (let i = 0; i < 5; i++) {
    await pause(10);
    collectGarbage();
  }
  expect(inTime.aborted).toBe(false);
  expect(await aborted).toBe('TimeoutError');
});

test('a signal that is made with another one aborts with that one, with its reason', () => {
  const other = new AbortController();
  const inTime = timeoutSignal(1_000, other.signal);
  other.abort(new Error('no more'));
  expect(inTime.aborted).toBe(true);
  expect(inTime.reason).toEqual(new Error('no more'));
});

test('no signal of src is made of a timeout of the platform, which may be collected', () => {
  const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  expect(files.length).toBeGreaterThan(300);
  const wrong = files.filter((name) =>
    /AbortSignal\.any\([^;]*AbortSignal\.timeout/.test(readFileSync(join('src', name), 'utf8')),
  );
  expect(wrong).toEqual([]);
});
