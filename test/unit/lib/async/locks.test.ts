import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createLocks } from '../../../../src/lib/async/locks.ts';

test('work under one key is done one after the other, in the order of asking, also after a failure', async () => {
  const { hold } = createLocks();
  const order: string[] = [];
  const first = hold('a', async () => {
    await delay(10);
    order.push('first');
    throw new Error('no');
  });
  const second = hold('a', async () => order.push('second'));
  const other = hold('b', async () => order.push('other'));
  await Promise.allSettled([first, second, other]);
  expect(order).toEqual(['other', 'first', 'second']);
  await expect(first).rejects.toThrow('no');
});
