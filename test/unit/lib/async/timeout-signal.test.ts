import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { pause } from '../../../../src/lib/async/pause.ts';
import { timeoutSignal } from '../../../../src/lib/async/timeout-signal.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

test('a signal that is part of another one aborts that one in time, whatever was collected before', async () => {
  const never = new AbortController();
  const inTime = AbortSignal.any([never.signal, timeoutSignal(1_000)]);
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
