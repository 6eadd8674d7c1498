import { expect, test } from 'vitest';
import { createClosers } from '../../../../src/lib/async/closers.ts';

test('what was opened is closed in reverse order, once, even when some of it fails', async () => {
  const closed: number[] = [];
  const closers = createClosers();
  closers.push(() => closed.push(1));
  closers.push(() => Promise.reject(new Error('stuck')));
  closers.push(() => closed.push(3));
  const both = await Promise.allSettled([closers.close(), closers.close()]);
  expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(closed).toEqual([3, 1]);
});

test('what could not be closed is told with the reason of each', async () => {
  const closers = createClosers();
  closers.push(() => Promise.reject(new Error('stuck')));
  closers.push(() => Promise.reject(new Error('busy')));
  await expect(closers.close()).rejects.toThrow('not everything could be closed: busy; stuck');
});
