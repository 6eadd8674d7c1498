import { afterEach, expect, test } from 'vitest';
import { effect, listenToFailpoints, type Trace, traceEffects } from '../../../src/lib/effect.ts';

afterEach(() => {
  traceEffects(null);
  listenToFailpoints(null);
});

function traces(): Trace[] {
  const told: Trace[] = [];
  traceEffects((trace) => told.push(trace));
  return told;
}

test('an effect is traced once it is over, with what it was done to and how long it took', async () => {
  const told = traces();
  expect(await effect('file.rename', async () => 'result', '/units/a')).toBe('result');
  expect(told).toEqual([{ effect: 'file.rename', of: '/units/a', ms: expect.any(Number), outcome: 'done' }]);
});

test('an effect that fails is traced by the code or the name of its error, never by its words', async () => {
  const told = traces();
  const full = Object.assign(new Error('secret'), { code: 'ENOSPC' });
  await expect(effect('file.fsync', () => Promise.reject(full))).rejects.toBe(full);
  await expect(effect('dbus.Reload', () => Promise.reject(new TypeError('secret')))).rejects.toThrow();
  expect(told.map(({ outcome }) => outcome)).toEqual(['ENOSPC', 'TypeError']);
});

test('a failpoint before an effect keeps it from being carried out and from being traced', async () => {
  const told = traces();
  listenToFailpoints((point) => {
    if (point.endsWith(':before')) throw new Error(point);
  });
  await expect(effect('file.remove', async () => undefined)).rejects.toThrow('file.remove:before');
  expect(told).toEqual([]);
});
