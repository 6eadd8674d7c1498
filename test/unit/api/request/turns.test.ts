import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createTurns } from '../../../../src/api/request/turns.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Requests by name, in the order in which their turns came. */
function aWorkshop(perUser: number) {
  const turnOf = createTurns(perUser);
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  return {
    async ask(user: string, ...names: string[]) {
      for (const name of names) void turnOf(user).then((end) => begun.push(name) && ends.set(name, end));
      await vi.advanceTimersByTimeAsync(0);
    },
    async end(name: string) {
      ends.get(name)?.();
      await vi.advanceTimersByTimeAsync(0);
    },
    begun,
  };
}

test('while users share an api it works on a few requests of each at a time, in their order', async () => {
  const { ask, end, begun } = aWorkshop(2);
  await ask('bob', 'b1');
  await ask('alice', 'a1', 'a2', 'a3', 'a4');
  await ask('bob', 'b2');
  expect(begun).toEqual(['b1', 'a1', 'a2', 'b2']);
  await end('a1');
  expect(begun.slice(4)).toEqual(['a3']);
  await end('a1'); // A turn ends once.
  expect(begun).toHaveLength(5);
  await end('a3');
  expect(begun.slice(5)).toEqual(['a4']);
});

test('a user who is alone for ten seconds waits for no turn', async () => {
  const { ask, begun } = aWorkshop(1);
  await ask('alice', 'a1', 'a2');
  expect(begun).toEqual(['a1', 'a2']);
  await ask('bob', 'b1', 'b2');
  expect(begun.slice(2)).toEqual(['b1']);
  // b1 passes its turn on, bob cools down, and b2 passes its turn on.
  await vi.advanceTimersByTimeAsync(50 + 500 + 50);
  expect(begun.slice(3)).toEqual(['b2']);
  await vi.advanceTimersByTimeAsync(9_999);
  await ask('alice', 'a3', 'a4');
  expect(begun.slice(4)).toEqual(['a3']);
  await vi.advanceTimersByTimeAsync(50);
  await ask('alice', 'a5', 'a6');
  expect(begun.slice(5)).toEqual(['a4', 'a5', 'a6']);
});

test('a request that takes longer than 50 ms passes its turn on', async () => {
  const { ask, begun } = aWorkshop(1);
  await ask('bob', 'b1');
  await ask('alice', 'a1', 'a2');
  await vi.advanceTimersByTimeAsync(50 + 499);
  expect(begun).toEqual(['b1', 'a1']);
  await vi.advanceTimersByTimeAsync(1); // Ten times as long as the turn.
  expect(begun).toEqual(['b1', 'a1', 'a2']);
});

test('all turns of a busy user together rest, each for half a second at most', async () => {
  const { ask, end, begun } = aWorkshop(2);
  await ask('bob', 'b1');
  await ask('alice', 'a1', 'a2', 'a3', 'a4');
  await vi.advanceTimersByTimeAsync(5);
  await end('a1');
  await vi.advanceTimersByTimeAsync(5 * 10 * 2 - 1);
  expect(begun).toEqual(['b1', 'a1', 'a2']);
  await vi.advanceTimersByTimeAsync(1);
  expect(begun.slice(3)).toEqual(['a3']);
  // a2 has passed its turn on after 50 ms.
  await vi.advanceTimersByTimeAsync(500 - 5 * 10 * 2 + 50 - 5 - 1);
  expect(begun.slice(4)).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  expect(begun.slice(4)).toEqual(['a4']);
});

test('a user with waiting requests cools down while another one is active', async () => {
  const { ask, end, begun } = aWorkshop(1);
  await ask('bob', 'b1');
  await ask('alice', 'a1', 'a2');
  await vi.advanceTimersByTimeAsync(20);
  await end('a1');
  await vi.advanceTimersByTimeAsync(199);
  expect(begun).toEqual(['b1', 'a1']);
  await vi.advanceTimersByTimeAsync(1);
  expect(begun).toEqual(['b1', 'a1', 'a2']);
});
